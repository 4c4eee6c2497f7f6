package zre_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// A test that sleeps is slow on every machine, and wrong on a busy one. So time.Sleep is for fake time and benchmarks alone.
func TestNoSleeps(t *testing.T) {
	files := 0
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != ".." && (entry.Name() == "testdata" || strings.HasPrefix(entry.Name(), ".")):
			return fs.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		files++
		for _, at := range sleeps(t, path, nil) {
			t.Errorf("%v: a sleep in real time: wait for a condition, or use testing/synctest", at)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 50 {
		t.Errorf("%d files of tests found", files)
	}
}

// The check finds what it should find.
func TestSleepsAreFound(t *testing.T) {
	for _, test := range []struct {
		name, code string
		want       int
	}{
		{"a sleep", `func TestX(t *testing.T) { time.Sleep(1) }`, 1},
		{"in a literal", `func TestX(t *testing.T) { t.Run("x", func(t *testing.T) { time.Sleep(1) }) }`, 1},
		{"beside a bubble", `func TestX(t *testing.T) { synctest.Test(t, func(t *testing.T) {}); time.Sleep(1) }`, 1},
		{"a bubble", `func TestX(t *testing.T) { synctest.Test(t, func(t *testing.T) { go func() { time.Sleep(1) }() }) }`, 0},
		{"a LAN", `func TestX(t *testing.T) { zretest.Run(t, 1, func(t *testing.T, lan *zretest.LAN) { time.Sleep(1) }) }`, 0},
		{"a bubble's maker", `func in(f func()) { synctest.Test(t, func(t *testing.T) { f() }) }
			func TestX(t *testing.T) { in(func() { time.Sleep(1) }) }`, 0},
		{"a benchmark", `func BenchmarkX(b *testing.B) { time.Sleep(1) }`, 0},
		{"a helper that says so", "// pass lets fake time pass.\nfunc pass() { time.Sleep(1) }", 0},
		{"a line that says so", "func pass() {\n\ttime.Sleep(1) // fake time\n\ttime.Sleep(1) }", 1},
	} {
		if got := sleeps(t, test.name, "package x\n"+test.code); len(got) != test.want {
			t.Errorf("%s: found at %v", test.name, got)
		}
	}
}

// sleeps finds the places where a file sleeps in real time. Exempt are: the package zretest, function literals passed to a maker of
// bubbles, and helpers with "fake time" in their comment or on the line.
func sleeps(t *testing.T, path string, source any) (found []token.Position) {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(file.Name.Name, "zretest") {
		return nil
	}
	makers, waived := bubbleFuncs(file), make(map[int]bool)
	for _, group := range file.Comments {
		for _, comment := range group.List {
			waived[set.Position(comment.Pos()).Line] = strings.Contains(comment.Text, "fake time")
		}
	}
	ast.Inspect(file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.FuncDecl:
			fake := node.Doc != nil && strings.Contains(node.Doc.Text(), "fake time")
			return !fake && !strings.HasPrefix(node.Name.Name, "Benchmark")
		case *ast.CallExpr:
			if makers[called(node)] {
				return false
			}
			if at := set.Position(node.Pos()); called(node) == "time.Sleep" && !waived[at.Line] {
				found = append(found, at)
			}
		}
		return true
	})
	return found
}

// bubbleFuncs returns the functions that run a function in a bubble: the known ones, and those of the file that call one of them.
func bubbleFuncs(file *ast.File) map[string]bool {
	makers := map[string]bool{"synctest.Test": true, "zretest.Run": true, "inFakeTime": true}
	for _, declaration := range file.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if !ok || strings.HasPrefix(function.Name.Name, "Test") {
			continue
		}
		ast.Inspect(function, func(node ast.Node) bool {
			if call, ok := node.(*ast.CallExpr); ok && makers[called(call)] {
				makers[function.Name.Name] = true
			}
			return true
		})
	}
	return makers
}

// called returns the name of the called function: "f", "package.F" or "value.Method".
func called(call *ast.CallExpr) string {
	switch function := call.Fun.(type) {
	case *ast.Ident:
		return function.Name
	case *ast.SelectorExpr:
		if of, ok := function.X.(*ast.Ident); ok {
			return of.Name + "." + function.Sel.Name
		}
	}
	return ""
}
