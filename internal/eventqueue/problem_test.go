package eventqueue

import (
	"fmt"
	"testing"
)

// Every kind has a name; an unknown kind shows its number.
func TestProblemKinds(t *testing.T) {
	for kind, want := range map[ProblemKind]string{
		0: "problem 0", ProblemUnreachable: "unreachable", ProblemUnlisted: "unlisted", ProblemUnlisted + 1: fmt.Sprint("problem ", int(ProblemUnlisted)+1),
	} {
		if got := kind.String(); got != want {
			t.Errorf("kind %d is %q, want %q", uint8(kind), got, want)
		}
	}
	for kind := ProblemUnreachable; kind <= ProblemUnlisted; kind++ {
		if problemNames[kind] == "" {
			t.Errorf("kind %d has no name", uint8(kind))
		}
	}
}
