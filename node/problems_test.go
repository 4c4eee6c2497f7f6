package node

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/go-zre/go-zre/internal/eventqueue"
)

// problemsTest is a list of problems with its log and its events.
type problemsTest struct {
	problems
	lines lines
}

func newProblemsTest() *problemsTest {
	p := &problemsTest{}
	p.log = zerolog.New(&p.lines)
	p.events = eventqueue.New(eventqueue.Limits{Messages: 1_000, Bytes: 1 << 20})
	return p
}

// reported returns the events so far, in words. It checks that the log has as many lines.
func (p *problemsTest) reported(t *testing.T) (list []string) {
	t.Helper()
	stop := make(chan struct{})
	close(stop)
	batch, _ := p.events.Take(nil, stop)
	for _, e := range batch {
		if e.Kind != ProblemChanged || e.Peer == nil {
			t.Errorf("got event %+v, want one about a problem", e)
		}
		text := fmt.Sprintf("%v %s %v", e.Problem.Kind, e.Problem.About, e.Problem.Err)
		if e.Problem.Solved {
			text = fmt.Sprintf("solved %v %s", e.Problem.Kind, e.Problem.About)
		}
		list = append(list, text)
	}
	if logged := p.lines.count(); logged != len(list) {
		t.Errorf("%d lines in the log, want one for each of %d events", logged, len(list))
	}
	return list
}

// A problem is reported when it begins, when its cause changes, and when it is solved; never for each attempt. The test runs in fake time.
func TestProblemIsReportedOnce(t *testing.T) {
	refused := func() error { return fmt.Errorf("dial from port %d: %w", time.Now().UnixNano(), syscall.ECONNREFUSED) }
	for _, c := range []struct {
		name string
		do   func(p *problemsTest)
		want []string
	}{
		{"begins", func(p *problemsTest) {
			p.raise(ProblemUnreachable, "a", nil, io.EOF)
		}, []string{"unreachable a EOF"}},
		{"again and again", func(p *problemsTest) {
			for range 100 {
				p.raise(ProblemUnreachable, "a", nil, io.EOF)
				time.Sleep(time.Minute)
			}
		}, []string{"unreachable a EOF"}},
		{"with what differs each time", func(p *problemsTest) {
			for range 100 {
				p.raise(ProblemFlapping, "a", nil, refused())
				time.Sleep(time.Hour)
			}
			p.solve(ProblemFlapping, "a")
		}, []string{"flapping a dial from port 946684800000000000: connection refused", "solved flapping a"}},
		{"has another cause", func(p *problemsTest) {
			p.raise(ProblemUnreachable, "a", nil, io.EOF)
			time.Sleep(2 * time.Minute)
			p.raise(ProblemUnreachable, "a", nil, io.ErrNoProgress)
		}, []string{"unreachable a EOF", "unreachable a " + io.ErrNoProgress.Error()}},
		{"has one and another cause", func(p *problemsTest) {
			for range 100 {
				p.raise(ProblemUnreachable, "a", nil, io.EOF)
				p.raise(ProblemUnreachable, "a", nil, io.ErrNoProgress)
				time.Sleep(100 * time.Millisecond)
			}
		}, []string{"unreachable a EOF"}},
		{"is solved", func(p *problemsTest) {
			p.raise(ProblemUnreachable, "a", nil, nil)
			p.solve(ProblemUnreachable, "a")
			p.solve(ProblemUnreachable, "a")
		}, []string{"unreachable a <nil>", "solved unreachable a"}},
		{"is solved but was not there", func(p *problemsTest) {
			p.solve(ProblemUnreachable, "a")
			p.raise(ProblemUnreachable, "a", nil, nil)
			p.solve(ProblemUnreachable, "b")
			p.solve(ProblemConflict, "a")
		}, []string{"unreachable a <nil>"}},
		{"comes back", func(p *problemsTest) {
			p.raise(ProblemConflict, "a", nil, nil)
			p.solve(ProblemConflict, "a")
			p.raise(ProblemConflict, "a", nil, nil)
		}, []string{"conflict a <nil>", "solved conflict a", "conflict a <nil>"}},
		{"two kinds and two things", func(p *problemsTest) {
			p.raise(ProblemConflict, "a", nil, nil)
			p.raise(ProblemAddressTaken, "a", nil, nil)
			p.raise(ProblemConflict, "b", nil, nil)
		}, []string{"conflict a <nil>", "address taken a <nil>", "conflict b <nil>"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newProblemsTest()
			c.do(p)
			if got := p.reported(t); !slices.Equal(got, c.want) {
				t.Errorf("%s: reported %q, want %q", c.name, got, c.want)
			}
		})
	}
}

// The list has the current problems, with their newest cause and the last known peer.
func TestCurrentProblems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProblemsTest()
		began, peer := time.Now(), &Peer{UUID: uuid.New()}
		p.raise(ProblemFlapping, "x", nil, nil)
		p.raise(ProblemUnreachable, "b", peer, io.EOF)
		time.Sleep(time.Hour)
		p.raise(ProblemUnreachable, "a", nil, nil)
		p.raise(ProblemUnreachable, "b", nil, io.ErrNoProgress)
		p.raise(ProblemConflict, "x", nil, nil)
		p.solve(ProblemConflict, "x")
		want := []Problem{
			{Kind: ProblemUnreachable, About: "a", Since: began.Add(time.Hour)},
			{Kind: ProblemUnreachable, About: "b", Since: began, Err: io.ErrNoProgress, Peer: peer},
			{Kind: ProblemFlapping, About: "x", Since: began},
		}
		if got := p.list(); !slices.Equal(got, want) {
			t.Errorf("current problems %v, want %v", got, want)
		}
	})
}

// Other nodes can cause any number of problems. They are listed and reported up to a limit.
func TestProblemsAreBounded(t *testing.T) {
	p := newProblemsTest()
	for range 3 {
		for i := range 1_000 {
			p.raise(ProblemAddressTaken, fmt.Sprint(i), nil, errors.New("forged"))
		}
	}
	list := p.list()
	if len(list) != maxProblems+1 || list[maxProblems].Kind != ProblemUnlisted || !strings.Contains(list[maxProblems].Err.Error(), "2232 times") {
		t.Errorf("%[1]d problems are listed, want %[3]d; the last is %+[2]v", len(list), list[len(list)-1], maxProblems+1)
	}
	events := func() int {
		stop := make(chan struct{})
		close(stop)
		batch, _ := p.events.Take(nil, stop)
		return len(batch)
	}
	if got := events(); got != maxProblems+1 {
		t.Errorf("%d events, want %d", got, maxProblems+1)
	}
	for i := range 1_000 {
		p.solve(ProblemAddressTaken, fmt.Sprint(i))
	}
	if got := events(); got != maxProblems+1 || len(p.list()) != 0 || p.unlisted != 0 {
		t.Errorf("after all are solved: %d events, %v are listed, %d are not listed", got, p.list(), p.unlisted)
	}
}

// Every kind has a name and log messages; an unknown number does no harm.
func TestProblemKinds(t *testing.T) {
	names := make(map[string]bool)
	for kind := ProblemUnreachable; kind <= ProblemUnlisted; kind++ {
		k := problemTexts[kind]
		name := kind.String()
		if strings.HasPrefix(name, "problem ") || k.begins == "" || k.ends == "" || names[name] {
			t.Errorf("kind %d is %q with log messages %+v, want a name of its own and both messages", kind, name, k)
		}
		names[name] = true
	}
	for _, kind := range []ProblemKind{0, ProblemUnlisted + 1, 255} {
		if got := kind.String(); got != fmt.Sprintf("problem %d", kind) {
			t.Errorf("unknown kind %d is %q", kind, got)
		}
	}
}
