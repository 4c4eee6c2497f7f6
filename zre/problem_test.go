package zre_test

import (
	"go/ast"
	"go/token"
	"strings"
	"testing"

	"github.com/go-zre/go-zre/zre"
)

// The documentation of each kind of problem has the same form: what is wrong, what About names, and when it is solved. So has its text.
func TestProblemKindTexts(t *testing.T) {
	kinds := 0
	for _, typ := range packageDoc(t).Types {
		if typ.Name != "ProblemKind" {
			continue
		}
		for _, group := range typ.Consts {
			if group.Decl.Tok != token.CONST {
				continue
			}
			for _, spec := range group.Decl.Specs {
				s := spec.(*ast.ValueSpec)
				name, text := s.Names[0].Name, strings.Join(strings.Fields(s.Doc.Text()), " ")
				kinds++
				if !strings.HasPrefix(text, name+": ") || !strings.Contains(text, "About is") || !strings.Contains(strings.ToLower(text), "solved") {
					t.Errorf("the documentation of %s does not say what is wrong, what About is, and when it is solved: %s", name, text)
				}
			}
		}
	}
	if kinds < 17 || !strings.HasPrefix(zre.ProblemKind(kinds+1).String(), "problem ") {
		t.Errorf("%d kinds are documented", kinds)
	}
	for kind := range zre.ProblemKind(kinds) {
		kind++
		name := kind.String()
		if strings.HasPrefix(name, "problem ") || strings.ContainsAny(name, ":;,.") || len(name) > 20 {
			t.Errorf("kind %d is %q", kind, name)
		}
		p := zre.Problem{Kind: kind, About: "tcp://10.0.0.1:7", Solved: true}
		if got, want := p.String(), name+" tcp://10.0.0.1:7: solved"; got != want {
			t.Errorf("a problem reads %q, want %q", got, want)
		}
	}
}
