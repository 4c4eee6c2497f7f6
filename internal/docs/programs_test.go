package docs

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-zre/go-zre/internal/testbed"
)

const ours = "github.com/go-zre/go-zre"

// imports lists the packages that fragments may use, by name.
var imports = map[string]string{
	"beacon":     "github.com/go-zre/go-zre/beacon",
	"bytes":      "bytes",
	"context":    "context",
	"errors":     "errors",
	"fmt":        "fmt",
	"http":       "net/http",
	"json":       "encoding/json",
	"log":        "log",
	"os":         "os",
	"prometheus": "github.com/prometheus/client_golang/prometheus",
	"promhttp":   "github.com/prometheus/client_golang/prometheus/promhttp",
	"signal":     "os/signal",
	"slog":       "log/slog",
	"strings":    "strings",
	"syscall":    "syscall",
	"time":       "time",
	"uuid":       "github.com/google/uuid",
	"zre":        "github.com/go-zre/go-zre/zre",
	"zreprom":    "github.com/go-zre/go-zre/zre/zreprom",
	"zretest":    "github.com/go-zre/go-zre/zre/zretest",
}

// declared lists the variables that fragments use without declaring them.
var declared = map[string]string{
	"allow":  "zre.Authorizer",
	"ctx":    "context.Context",
	"last":   "string",
	"mux":    "*zre.Mux",
	"name":   "string",
	"node":   "*zre.Node",
	"owner":  "map[zre.PublicKey]uuid.UUID",
	"peer":   "uuid.UUID",
	"sensor": "*zre.Node",
	"values": "<-chan string",
}

// uncompiled lists fragments that are not compiled here, by a text in them, with the reasons.
var uncompiled = map[string]string{
	"propagation.":  "it needs OpenTelemetry, which is no dependency: tools/trace_test.go compiles it",
	"tracer.Start":  "likewise",
	"lan.Partition": "it is cut from examples/partition, whose test runs",
}

// Each Go program and fragment compiles in a separate module.
func TestPrograms(t *testing.T) {
	dir := module(t)
	for _, p := range pages(t) {
		for i, b := range p.blocks {
			if b.lang != "go" || isUncompiled(b) {
				continue
			}
			text := b.text
			if !strings.Contains(text, "package main\n") {
				var err error
				if text, err = wrapFragment(b); err != nil {
					t.Errorf("%s:%d: %v", b.page, b.line, err)
					continue
				}
			} else {
				tidy, err := format.Source([]byte(text))
				if err != nil || string(tidy) != text {
					t.Errorf("%s:%d: not as gofmt has it (%v)", b.page, b.line, err)
				}
				text = lineDirective(b) + text
			}
			name := fmt.Sprintf("%s-%d", strings.NewReplacer("/", "-", ".", "-").Replace(b.page), i)
			write(t, filepath.Join(dir, name, "main.go"), text)
		}
	}
	build := exec.Command("go", "vet", "-mod=mod", "-unreachable=false", "./...")
	build.Dir = dir
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func isUncompiled(b block) bool {
	for text := range uncompiled {
		if strings.Contains(b.text, text) {
			return true
		}
	}
	return false
}

// module makes a separate module that uses this one as another project would.
func module(t testing.TB) (dir string) {
	t.Helper()
	dir = t.TempDir()
	mod, err := os.ReadFile(filepath.Join(testbed.Root(), "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(mod), "module "+ours, "module example.com/outside", 1)
	text += fmt.Sprintf("\nrequire %s v0.0.0\n\nreplace %s => %s\n", ours, ours, testbed.Root())
	write(t, filepath.Join(dir, "go.mod"), text)
	sum, err := os.ReadFile(filepath.Join(testbed.Root(), "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "go.sum"), string(sum))
	return dir
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// lineDirective makes compiler errors name the page.
func lineDirective(b block) string {
	return fmt.Sprintf("//line %s:%d\n", filepath.Join(testbed.Root(), b.page), b.line)
}

// wrapFragment makes a program from a fragment.
func wrapFragment(b block) (string, error) {
	before, after := "", ""
	file, err := parser.ParseFile(token.NewFileSet(), "", "package main\n"+b.text, 0)
	if err != nil {
		// Statements: what they declare counts as used.
		before, after = "func _() (err error) {\n", "return\n}\n"
		if file, err = parser.ParseFile(token.NewFileSet(), "", "package main\n"+before+b.text+after, 0); err != nil {
			return "", err
		}
		after = useDeclared(file) + after
	}
	var head bytes.Buffer
	head.WriteString("package main\n\n")
	var names []string
	for _, id := range file.Unresolved {
		names = append(names, id.Name)
		if kind, ok := declared[id.Name]; ok {
			for name := range imports {
				if strings.Contains(kind, name+".") {
					names = append(names, name)
				}
			}
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	for _, name := range names {
		if path, ok := imports[name]; ok {
			fmt.Fprintf(&head, "import %q\n", path)
		}
	}
	for _, name := range names {
		if kind, ok := declared[name]; ok {
			fmt.Fprintf(&head, "var %s %s\n", name, kind)
		}
	}
	return head.String() + "\nfunc main() {}\n\n" + before + lineDirective(b) + b.text + after, nil
}

// useDeclared returns statements that use what the statements of the first function declare.
func useDeclared(file *ast.File) string {
	var text strings.Builder
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		for _, s := range f.Body.List {
			if assign, ok := s.(*ast.AssignStmt); ok && assign.Tok == token.DEFINE {
				for _, name := range assign.Lhs {
					fmt.Fprintf(&text, "_ = %s\n", name.(*ast.Ident).Name)
				}
			}
		}
	}
	return text.String()
}
