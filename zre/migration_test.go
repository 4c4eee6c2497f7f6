package zre_test

import (
	"bytes"
	"debug/elf"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-zre/go-zre/internal/testbed"
)

const migrationPage = "../docs/zyre-migration.md"

// migration is one row of a table of the page: a C function and its replacement.
type migration struct {
	line     int
	name     string
	code     string // Go code, or "" if there is no counterpart
	comments string
}

func migrations(t *testing.T) (rows []migration) {
	t.Helper()
	text, err := os.ReadFile(migrationPage)
	must(t, err)
	row := regexp.MustCompile("^\\| `(z[a-z_]+(?: [A-Z]+)?)` \\| (.*) \\| ?(.*)\\|$")
	for i, line := range strings.Split(string(text), "\n") {
		m := row.FindStringSubmatch(strings.ReplaceAll(line, `\|`, "\x00"))
		switch {
		case m == nil && (strings.HasPrefix(line, "| `") || strings.HasPrefix(line, "|`")):
			t.Errorf("%s:%d: no row of a function: %s", migrationPage, i+1, line)
		case m != nil:
			code, isCode := strings.CutPrefix(strings.TrimSuffix(m[2], "`"), "`")
			if !isCode {
				code = ""
			}
			rows = append(rows, migration{i + 1, m[1], strings.ReplaceAll(code, "\x00", "|"), strings.TrimSpace(m[3])})
			if !isCode && m[2] != "—" {
				t.Errorf("%s:%d: neither a line of Go nor a dash: %s", migrationPage, i+1, m[2])
			}
		}
	}
	return rows
}

func zyreAPI(t *testing.T) (names []string) {
	t.Helper()
	text, err := os.ReadFile("testdata/zyre-api.txt")
	must(t, err)
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			names = append(names, line)
		}
	}
	return names
}

// The page lists each function of zyre's API once and no other. If there is no counterpart, it says why.
func TestMigrationIsComplete(t *testing.T) {
	names, seen := zyreAPI(t), make(map[string]int)
	for _, row := range migrations(t) {
		seen[row.name]++
		if row.code == "" && row.comments == "" {
			t.Errorf("%s:%d: %s: the page does not say why there is none, and what to do", migrationPage, row.line, row.name)
		}
		if !slices.Contains(names, row.name) {
			t.Errorf("%s:%d: zyre has no %s", migrationPage, row.line, row.name)
		}
	}
	for _, name := range names {
		if seen[name] != 1 {
			t.Errorf("the page has %s %d times", name, seen[name])
		}
	}
}

// The list of zyre's functions matches the library that the interop tests run.
func TestMigrationKnowsZyre(t *testing.T) {
	python := testbed.Python(t)
	found, err := filepath.Glob(filepath.Join(filepath.Dir(python), "../lib/python*/site-packages/ingescape/_ingescape*.so"))
	if err != nil || len(found) != 1 {
		t.Fatalf("the library of C zyre: %v, %v", found, err)
	}
	library, err := elf.Open(found[0])
	must(t, err)
	defer library.Close()
	symbols, err := library.DynamicSymbols()
	must(t, err)
	names := zyreAPI(t)
	public := regexp.MustCompile(`^(zyre_[a-z_]+|zbeacon|zbeacon_test)$`)
	internal := regexp.MustCompile(`^zyre_(node|peer|group|election)_(new|destroy|contest|election|leader|require_election|set_.*)$`)
	known := 0
	for _, s := range symbols {
		switch {
		case s.Section == elf.SHN_UNDEF || !public.MatchString(s.Name) || internal.MatchString(s.Name):
		case slices.Contains(names, s.Name):
			known++
		default:
			t.Errorf("C zyre has %s, testdata/zyre-api.txt does not", s.Name)
		}
	}
	if known < 50 {
		t.Errorf("%d functions found in the library", known)
	}
}

const migrationHead = `package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/zre"
)

var (
	_ = fmt.Sprint
	_ = time.Second
	_ = hex.EncodeToString
	_ = strings.ToUpper
	_ = os.Stdout
	_ = beacon.Open

	ctx         context.Context
	node        *zre.Node
	peer        uuid.UUID
	event       zre.Event
	enter       zre.Enter
	shout       zre.Shout
	whisper     zre.Whisper
	certificate *zre.Certificate
	log         zerolog.Logger
	udp         *beacon.Agent
)

func main() {}
`

// Each line of Go in the page compiles, with the declarations of the page.
func TestMigrationCompiles(t *testing.T) {
	page, err := filepath.Abs(migrationPage)
	must(t, err)
	program := bytes.NewBufferString(migrationHead)
	for _, row := range migrations(t) {
		if row.code != "" {
			fmt.Fprintf(program, "\nfunc _() {\n//line %s:%d\n%s\n%s}\n", page, row.line, row.code, use(t, row))
		}
	}
	path := filepath.Join(t.TempDir(), "main.go")
	must(t, os.WriteFile(path, program.Bytes(), 0o600))
	if out, err := exec.Command("go", "build", "-o", os.DevNull, path).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// use returns statements that use what a line declares, as a real program would.
func use(t *testing.T, row migration) string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "", "package p\nfunc _() {\n"+row.code+"\n}", 0)
	if err != nil {
		t.Fatalf("%s:%d: %v", migrationPage, row.line, err)
	}
	var text strings.Builder
	for _, statement := range file.Decls[0].(*ast.FuncDecl).Body.List {
		if assign, ok := statement.(*ast.AssignStmt); ok && assign.Tok == token.DEFINE {
			for _, name := range assign.Lhs {
				fmt.Fprintf(&text, "_ = %s\n", name.(*ast.Ident).Name)
			}
		}
	}
	return text.String()
}
