package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-zre/go-zre/internal/testbed"
	"github.com/go-zre/go-zre/zre"
)

// foreign lists options of other programs, by page.
var foreign = map[string][]string{
	"CONTRIBUTING.md":  {"--yes"},
	"docs/networks.md": {"--network", "--rm"},
}

// history lists pages that mention old names.
var history = []string{"CHANGELOG.md"}

var (
	optionName = regexp.MustCompile(`(?:^|[\s"'(\x60|])(--[a-z][a-z-]+)`)
	tableName  = regexp.MustCompile("(?m)^\\| `(--[a-z][a-z-]+)")
)

// Each option in the pages belongs to zre or zrechat, and each environment variable is read somewhere.
func TestOptions(t *testing.T) {
	known := make(map[string]bool)
	list := pages(t)
	for _, p := range list {
		if p.path == "docs/cli.md" { // its reference is generated from the commands; cmd/zre tests it
			for _, m := range tableName.FindAllStringSubmatch(p.text, -1) {
				known[m[1]] = true
			}
		}
	}
	if len(known) < 50 {
		t.Fatalf("%d options found in docs/cli.md", len(known))
	}
	for _, m := range regexp.MustCompile(`(?:Flag|Func|String|Bool|Var)\w*\((?:&?[\w.]+, )?"([a-z-]+)"`).FindAllStringSubmatch(source(t, "cmd/zrechat"), -1) {
		known["--"+m[1]] = true
	}
	variables := source(t, "cmd", "internal", "zre", "tools", "testdata/peers", "Makefile", ".ci")
	for _, p := range list {
		if slices.Contains(history, p.path) {
			continue
		}
		for l := range strings.Lines(p.text) {
			if whyNotRun(strings.TrimSpace(l)) != "" {
				continue // options of another program
			}
			for _, m := range optionName.FindAllStringSubmatch(l, -1) {
				if !known[m[1]] && !slices.Contains(foreign[p.path], m[1]) {
					t.Errorf("%s: there is no option %s", p.path, m[1])
				}
			}
		}
		for _, name := range regexp.MustCompile(`\bZRE_[A-Z_]*[A-Z]\b`).FindAllString(p.text, -1) {
			option := "--" + strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(name, "ZRE_")), "_", "-")
			if !known[option] && !strings.Contains(variables, name) {
				t.Errorf("%s: nothing reads %s", p.path, name)
			}
		}
	}
}

// source returns the text of all files in git below the folders.
func source(t *testing.T, paths ...string) string {
	t.Helper()
	list := exec.Command("git", append([]string{"ls-files", "--"}, paths...)...)
	list.Dir = testbed.Root()
	out, err := list.Output()
	if err != nil {
		testbed.Missing(t, "a clone of the repository: git ls-files: %v", err)
	}
	var text strings.Builder
	for name := range strings.Lines(string(out)) {
		b, err := os.ReadFile(filepath.Join(testbed.Root(), strings.TrimSpace(name)))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		text.Write(b)
	}
	return text.String()
}

// Each name of package zre in the pages exists.
func TestNames(t *testing.T) {
	known := exported(t)
	patterns := []*regexp.Regexp{
		regexp.MustCompile(`\bzre\.([A-Z]\w*(?:\.[A-Z]\w*)?)`),
		regexp.MustCompile("`((?:With|Err|Problem|Reason|State)[A-Z]\\w*)[^\\w…]"),
		regexp.MustCompile("`((?:Node|Peer|Limits|Stats|PeerStats|LostError|Certificate|Mux|Identity)\\.[A-Z]\\w*)"),
	}
	for _, p := range pages(t) {
		if slices.Contains(history, p.path) {
			continue
		}
		for _, pattern := range patterns {
			for _, m := range pattern.FindAllStringSubmatch(p.text, -1) {
				if !known[m[1]] {
					t.Errorf("%s: package zre has no %s", p.path, m[1])
				}
			}
		}
	}
}

// exported returns the names of package zre: types, functions, values, and Type.Member.
func exported(t *testing.T) map[string]bool {
	t.Helper()
	known := make(map[string]bool)
	set := token.NewFileSet()
	files, err := filepath.Glob(filepath.Join(testbed.Root(), "zre", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if file.Name.Name != "zre" {
			continue
		}
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				name := d.Name.Name
				if d.Recv != nil {
					receiver := d.Recv.List[0].Type
					if star, ok := receiver.(*ast.StarExpr); ok {
						receiver = star.X
					}
					if id, ok := receiver.(*ast.Ident); ok { // a generic type is not exported
						name = id.Name + "." + name
					}
				}
				known[name] = true
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					addSpec(known, spec)
				}
			}
		}
	}
	if !known["Node.Whisper"] || !known["Limits.Peers"] || !known["ErrPeerBusy"] {
		t.Fatal("package zre was not understood")
	}
	return known
}

func addSpec(known map[string]bool, spec ast.Spec) {
	switch s := spec.(type) {
	case *ast.ValueSpec:
		for _, name := range s.Names {
			known[name.Name] = true
		}
	case *ast.TypeSpec:
		known[s.Name.Name] = true
		fields := []*ast.Field(nil)
		switch kind := s.Type.(type) {
		case *ast.StructType:
			fields = kind.Fields.List
		case *ast.InterfaceType:
			fields = kind.Methods.List
		}
		for _, f := range fields {
			for _, name := range f.Names {
				known[s.Name.Name+"."+name.Name] = true
			}
		}
	}
}

// The first column of the table of limits in docs/operating.md lists fields of Limits.
func TestLimitNames(t *testing.T) {
	limits := reflect.TypeFor[zre.Limits]()
	text, err := os.ReadFile(filepath.Join(testbed.Root(), "docs", "operating.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "\n## Limits\n")
	if !ok {
		t.Fatal("docs/operating.md has no section Limits")
	}
	for _, row := range regexp.MustCompile(`(?m)^\| [^|]* \| ([^|]*) \|`).FindAllStringSubmatch(section, -1) {
		for _, m := range regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(row[1], -1) {
			if _, ok := limits.FieldByName(m[1]); !ok {
				t.Errorf("docs/operating.md: Limits has no %s", m[1])
			}
		}
	}
}
