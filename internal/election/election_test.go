package election

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// id makes a UUID that begins with that octet.
func id(first byte) ID { return ID{first} }

// bench is an Election of the node 50 with a clock.
type bench struct {
	t   *testing.T
	e   *Election
	now time.Time
	out []string
}

func newBench(t *testing.T, all bool) *bench {
	return &bench{t: t, e: New(id(0x50), all), now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
}

func (b *bench) did(out []Output) {
	for _, o := range out {
		switch o.Kind {
		case SendElect:
			b.out = append(b.out, fmt.Sprintf("%x: ELECT %x", o.To[0], o.Node[0]))
		case SendLeader:
			b.out = append(b.out, fmt.Sprintf("%x: LEADER %x", o.To[0], o.Node[0]))
		case LeaderNamed:
			b.out = append(b.out, fmt.Sprintf("named %x", o.Node[0]))
		case LeaderLost:
			b.out = append(b.out, "lost")
		}
	}
}

// step executes a line: "30 joins", "30 joins ours", "30 leaves", "contest", "30 elects 20", "30 leads 20", "wait 1s".
func (b *bench) step(line string) {
	b.t.Helper()
	words := append(strings.Fields(line), "", "")
	number := func(s string) ID {
		var n byte
		if _, err := fmt.Sscanf(s, "%x", &n); err != nil {
			b.t.Fatalf("%q: %v", line, err)
		}
		return id(n)
	}
	switch {
	case words[0] == "contest":
		b.did(b.e.Contest(b.now))
	case words[0] == "wait":
		d, err := time.ParseDuration(words[1])
		if err != nil {
			b.t.Fatal(err)
		}
		b.wait(d)
	case words[1] == "joins":
		b.did(b.e.Join(b.now, number(words[0]), words[2] == "ours"))
	case words[1] == "leaves":
		b.did(b.e.Leave(b.now, number(words[0])))
	case words[1] == "elects":
		b.did(b.e.HandleElect(b.now, number(words[0]), number(words[2])))
	case words[1] == "leads":
		b.did(b.e.HandleLeader(b.now, number(words[0]), number(words[2])))
	default:
		b.t.Fatalf("unknown step %q", line)
	}
}

func (b *bench) wait(d time.Duration) {
	end := b.now.Add(d)
	for at, ok := b.e.Next(); ok && !at.After(end); at, ok = b.e.Next() {
		if at.After(b.now) {
			b.now = at
		}
		b.did(b.e.Tick(b.now))
	}
	b.now = end
}

// TestSteps checks what is done after which steps. This node is 50.
func TestSteps(t *testing.T) {
	tests := []struct {
		name  string
		steps string // separated by commas; the output is checked after the last one
		want  string
	}{
		{"no node contests", "30 joins ours, 40 joins, 30 leaves, wait 1m", ""},
		{"alone, a second later", "contest, wait 999ms", ""},
		{"alone", "contest, wait 1s, contest, wait 1m", "named 50"},
		{"members learn that we contest", "30 joins ours, 60 joins ours, contest", "30: ELECT 50, 60: ELECT 50"},
		{"so does a member that joins later", "contest, 30 joins ours", "30: ELECT 50"},
		{"foreign members do not learn it", "30 joins, contest, 40 joins, wait 1m", "named 50"},
		{"a lower contestant", "contest, 30 joins ours, 30 elects 30, wait 1m", "30: ELECT 50, named 30"},
		{"a higher one", "contest, 60 joins ours, 60 elects 60, wait 1m", "60: ELECT 50, named 50"},
		{"we do not contest", "60 joins ours, 60 elects 60, 40 joins ours, 40 elects 40", "named 60, named 40"},
		{"the leader leaves", "40 joins ours, 60 joins ours, 60 elects 60, 40 elects 40, 40 leaves, 60 leaves", "named 60, named 40, named 60, lost"},
		{"the leader leaves, and we contest", "contest, 40 joins ours, 40 elects 40, 40 leaves, wait 1s", "40: ELECT 50, named 40, lost, named 50"},
		{"the leader comes again", "40 joins ours, 40 elects 40, 40 joins ours, 40 elects 40", "named 40, lost, named 40"},
		{"messages that name another node", "30 joins ours, 60 joins ours, 60 elects 30, 60 leads 30, wait 1m", ""},
		{"messages of a node that is no member", "30 elects 30, 30 leads 30, wait 1m", ""},
		{"this node is no member of its own", "50 joins ours, contest, wait 1s", "named 50"},
		{"a node that claims to be us", "50 elects 50, 50 leads 50, wait 1m", ""},

		{"C zyre is answered", "30 joins, 30 elects 30, wait 20ms", "named 30, 30: ELECT 30"},
		{"C zyre is not answered earlier", "30 joins, 30 elects 30, wait 19ms", "named 30"},
		{"C zyre is answered once", "30 joins, 30 elects 30, wait 20ms, 30 leads 30, wait 1m", "named 30, 30: ELECT 30, 30: LEADER 30"},
		{"silent foreign members are sent nothing", "30 joins, 40 joins, 30 elects 30, wait 1m", "named 30, 30: ELECT 30"},
		{"a wave of two, with a higher one", "30 joins, 40 joins, 40 elects 40, 30 elects 30, wait 20ms, 40 elects 30, wait 1s, 30 leads 30, wait 1s",
			"named 40, named 30, 30: ELECT 30, 40: ELECT 30, 30: LEADER 30, 40: LEADER 30"},
		{"we win", "60 joins, 60 elects 60, wait 1s, contest, wait 20ms, 60 elects 50, wait 20ms, 60 leads 50, wait 1s",
			"named 60, 60: ELECT 60, lost, 60: ELECT 50, 60: LEADER 50, named 50"},
		{"we win, and the wave is repeated twice", "60 joins, contest, 60 elects 60, wait 20ms, 60 elects 50, wait 20ms, 60 leads 50, wait 1m",
			"60: ELECT 50, 60: LEADER 50, named 50, 60: ELECT 50, 60: LEADER 50, 60: ELECT 50, 60: LEADER 50"},
		{"no LEADER before all support us", "60 joins, 70 joins, contest, 60 elects 60, 70 elects 70, wait 20ms, 60 elects 50, wait 1s",
			"60: ELECT 50, 70: ELECT 50, named 50"},
		{"a member that starts again is answered again", "30 joins, 30 elects 30, wait 20ms, 30 elects 30, wait 20ms", "named 30, 30: ELECT 30, 30: ELECT 30"},
		{"a member that starts again after its LEADER is answered again", "30 joins, 60 joins, 30 elects 30, 60 elects 30, wait 20ms, 60 leads 30, wait 20ms, 60 elects 30, wait 20ms",
			"named 30, 30: ELECT 30, 60: ELECT 30, 30: LEADER 30, 60: LEADER 30, 60: ELECT 30"},
		{"many ELECTs get one answer", "30 joins, 30 elects 30, 30 elects 30, 30 elects 30, wait 20ms", "named 30, 30: ELECT 30"},
		{"a leader that may be gone is not named at once", "30 joins, 60 joins, 30 elects 30, 60 elects 30, wait 10s, 60 elects 60, wait 1s, 30 leaves, wait 1m",
			"named 30, 30: ELECT 30, 60: ELECT 30, named 60, 60: ELECT 60"},
		{"a leader that may be gone is named after a while", "30 joins, 60 joins, 30 elects 30, 60 elects 30, wait 10s, 60 elects 60, wait 1500ms", "named 30, 30: ELECT 30, 60: ELECT 30, 60: ELECT 30"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, false)
			for step := range strings.SplitSeq(test.steps, ", ") {
				b.step(step)
			}
			if got := strings.Join(b.out, ", "); got != test.want {
				t.Errorf("after %s:\n got %s\nwant %s", test.steps, got, test.want)
			}
		})
	}
}

// TestAll checks that, with the option, foreign members are told unasked.
func TestAll(t *testing.T) {
	b := newBench(t, true)
	for _, step := range []string{"contest", "60 joins", "wait 20ms", "60 elects 50", "wait 20ms", "60 leads 50", "wait 960ms"} {
		b.step(step)
	}
	if want := []string{"60: ELECT 50", "60: LEADER 50", "named 50"}; !slices.Equal(b.out, want) {
		t.Errorf("got %q, want %q", b.out, want)
	}
}

func TestLeader(t *testing.T) {
	b := newBench(t, false)
	if leader, ok := b.e.Leader(); ok || leader != (ID{}) {
		t.Error("there is a leader though no node contests")
	}
	if at, ok := b.e.Next(); ok || !at.IsZero() {
		t.Error("Next returns a time though nothing is due")
	}
	b.step("30 joins ours")
	b.step("30 elects 30")
	if leader, ok := b.e.Leader(); !ok || leader != id(0x30) {
		t.Errorf("leader %x, %v", leader, ok)
	}
	if _, ok := b.e.Next(); ok {
		t.Error("Next returns a time among nodes of ours")
	}
}

// FuzzElection: whatever members send, nothing goes to nodes that are no members, nor unasked to foreign ones, and not more than all of
// them are due.
func FuzzElection(f *testing.F) {
	f.Add([]byte{0x01, 0x31, 0x23, 0x02, 0x43, 0x05, 0x16, 0x07})
	f.Add([]byte("a few members that join and leave and elect and lead each other"))
	f.Fuzz(func(t *testing.T, script []byte) {
		e := New(id(5), false)
		now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
		ours, spoke, contests := map[ID]bool{}, map[ID]bool{}, false
		for i, octet := range script {
			from, other := id(octet>>4), id(script[len(script)-1-i]>>4)
			var out []Output
			switch now = now.Add(5 * time.Millisecond); octet & 7 {
			case 0:
				contests, out = true, e.Contest(now)
			case 1, 2:
				if from != e.self {
					spoke[from], ours[from] = false, octet&7 == 1
				}
				out = e.Join(now, from, octet&7 == 1)
			case 3:
				out = e.Leave(now, from)
			case 4:
				out = e.HandleElect(now, from, other)
				spoke[from] = true
			case 5:
				out = e.HandleElect(now, from, from)
				spoke[from] = true
			case 6:
				out = e.HandleLeader(now, from, other)
				spoke[from] = true
			default:
				now = now.Add(time.Duration(octet) * 10 * time.Millisecond)
				out = e.Tick(now)
			}
			if len(out) > 3*len(e.members)+2 {
				t.Errorf("%d outputs for %d members", len(out), len(e.members))
			}
			for _, o := range out {
				if o.Kind != SendElect && o.Kind != SendLeader {
					continue
				}
				m := e.members[o.To]
				if m == nil || !ours[o.To] && !spoke[o.To] {
					t.Errorf("%x is sent %v", o.To[0], o)
				} else if m.ours && (o.Kind != SendElect || o.Node != e.self) {
					t.Errorf("a node of ours is sent %v", o)
				}
			}
			if best, has := e.findLowest(); best != e.lowest || has != e.hasLowest {
				t.Errorf("the lowest contestant is %x, want %x", e.lowest[0], best[0])
			}
			if leader, ok := e.Leader(); ok && leader != e.self && !e.members[leader].contests || ok && leader == e.self && !contests {
				t.Errorf("%x leads though it does not contest", leader[0])
			}
		}
	})
}
