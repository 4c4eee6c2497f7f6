package eventqueue

import "testing"

// Every kind has a name, and what is no kind has its number.
func TestProblemKinds(t *testing.T) {
	for kind, want := range map[ProblemKind]string{
		0: "problem 0", ProblemUnreachable: "unreachable", ProblemUnlisted: "unlisted", ProblemUnlisted + 1: "problem 10",
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
