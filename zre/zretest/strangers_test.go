package zretest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/msg"
	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// How long a cluster may take until it is calm: after a fault that peers can notice, and after a loss of power, which they notice
// by the expired timeout alone. From then on no peer enters or exits, for as long as quiet.
const (
	calmAfterFault = 5 * time.Second
	calmAfterPower = 30*time.Second + calmAfterFault
	quiet          = 10 * time.Minute
)

// trips is how many round trips are added to that. A connection and a HELLO by it take three and a half. Where zyre.js does not
// know us any more there are two in a row until it enters here, each of them after a beacon, and one more until we enter there.
const trips = 4

// What zyre.js takes longer. It never answers a second HELLO: it drops us for it, greets at our next beacon, and hangs up for the PING which
// shows that it waits for a third one. Where it greeted an older node of ours at our address it takes another HELLO, after 2.5 s.
const (
	calmAfterDrop = 6 * time.Second
	dropTrips     = 14
)

// A stranger is a node of another implementation that talks all the time, as a member does.
type stranger struct {
	*zretest.Foreign
	t    testing.TB
	host *zretest.Host
	kind zretest.Implementation
	port uint16
	up   bool

	stop    context.CancelFunc
	talking sync.WaitGroup

	mu       sync.Mutex
	whispers map[uuid.UUID]uint64
	shouts   uint64
}

func (s *stranger) start(id uuid.UUID, name string) {
	s.whispers, s.shouts, s.up = make(map[uuid.UUID]uint64), 0, true
	s.Foreign = zretest.NewForeign(s.t, s.host, s.kind, zretest.ForeignUUID(id), zretest.ForeignName(name),
		zretest.ForeignPort(s.port), zretest.ForeignGroups(group))
	s.speak()
}

func (s *stranger) speak() {
	ctx, cancel := context.WithCancel(s.t.Context())
	s.stop = cancel
	s.talking.Go(func() {
		tick := time.NewTicker(400 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				s.talk()
			case <-ctx.Done():
				return
			}
		}
	})
}

func (s *stranger) talk() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, peer := range s.Peers() {
		if s.Whisper(peer, zretest.Number(s.whispers[peer])) {
			s.whispers[peer]++
		}
	}
	s.Shout(group, zretest.Number(s.shouts))
	s.shouts++
}

func (s *stranger) silence() {
	s.stop()
	s.talking.Wait()
}

// end ends the program as how says.
func (s *stranger) end(how func()) {
	s.silence()
	how()
	s.Kill()
	s.up = false
}

// A mix is a cluster of nodes of ours and of others.
type mix struct {
	t         *testing.T
	lan       *zretest.LAN
	r         *rand.Rand
	members   []*member
	strangers []*stranger
	latency   time.Duration
	doubles   *zretest.Host // where those with the identity of another are
	calmAt    time.Time
	count     int
	story     []string
	start     time.Time
}

func (x *mix) tell(format string, args ...any) {
	x.story = append(x.story, fmt.Sprintf("%v %s", time.Since(x.start).Round(time.Millisecond), fmt.Sprintf(format, args...)))
}

// disturb says that something happened that may take so long to get over.
func (x *mix) disturb(d time.Duration) {
	d += trips * 2 * x.latency
	if slices.ContainsFunc(x.strangers, func(s *stranger) bool { return s.kind == zretest.ZyreJS }) {
		d += calmAfterDrop + dropTrips*2*x.latency
	}
	if at := time.Now().Add(d); at.After(x.calmAt) {
		x.calmAt = at
	}
}

func (x *mix) pause(most time.Duration) { time.Sleep(time.Duration(x.r.Int64N(int64(most)))) }

// A mixFault happens to one stranger s, or one member m, or both.
type mixFault struct {
	name string
	do   func(x *mix, s *stranger, m *member)
}

var mixFaults = []mixFault{
	{"reset all of", func(x *mix, s *stranger, _ *member) { s.host.ResetConnections() }},
	{"reset all of ours,", func(x *mix, _ *stranger, m *member) { m.host.ResetConnections() }},
	{"reset its connection to ours,", func(x *mix, s *stranger, m *member) { s.host.ResetConnectionsTo(m.host) }},
	{"reset our connection to it,", func(x *mix, s *stranger, m *member) { m.host.ResetConnectionsTo(s.host) }},
	{"reset again and again", func(x *mix, s *stranger, _ *member) {
		for range 2 + x.r.IntN(4) {
			s.host.ResetConnections()
			x.pause(1500 * time.Millisecond)
		}
	}},
	{"another UUID at the address of", func(x *mix, s *stranger, _ *member) {
		s.end(s.host.Kill)
		x.pause(2 * time.Second)
		s.host = s.host.Process()
		s.start(uuid.New(), s.Name())
	}},
	{"another UUID in place of ours,", func(x *mix, _ *stranger, m *member) {
		m.end(m.host.Kill)
		x.pause(2 * time.Second)
		m.id = uuid.New()
		m.restart()
	}},
	{"killed and restarted", func(x *mix, s *stranger, _ *member) {
		s.end(s.host.Kill)
		x.pause(10 * time.Second)
		s.host = s.host.Process()
		s.start(s.UUID(), s.Name())
	}},
	{"stopped and restarted", func(x *mix, s *stranger, _ *member) {
		s.end(s.Stop)
		x.pause(10 * time.Second)
		s.host = s.host.Process()
		s.start(s.UUID(), s.Name())
	}},
	{"killed and restarted ours,", func(x *mix, _ *stranger, m *member) {
		m.end(m.host.Kill)
		x.pause(10 * time.Second)
		m.restart()
	}},
	{"closed and restarted ours,", func(x *mix, _ *stranger, m *member) {
		m.end(func() {})
		x.pause(10 * time.Second)
		m.restart()
	}},
	{"power lost for a while by", func(x *mix, s *stranger, _ *member) {
		s.end(s.host.Crash)
		x.disturb(calmAfterPower)
		x.pause(40 * time.Second)
		s.host.Boot()
		s.host = s.host.Process()
		s.start(s.UUID(), s.Name())
	}},
	{"power lost for good by", func(x *mix, s *stranger, _ *member) {
		s.end(s.host.Crash)
		x.disturb(calmAfterPower)
	}},
	{"power lost for a while by ours,", func(x *mix, _ *stranger, m *member) {
		m.end(m.host.Crash)
		x.disturb(calmAfterPower)
		x.pause(40 * time.Second)
		m.host.Boot()
		m.restart()
	}},
	{"power lost for good by ours,", func(x *mix, _ *stranger, m *member) {
		if len(x.members) > 1 {
			m.end(m.host.Crash)
			x.members = slices.DeleteFunc(x.members, func(o *member) bool { return o == m })
			x.disturb(calmAfterPower)
		}
	}},
	{"our identity used by another towards", func(x *mix, s *stranger, m *member) {
		x.impersonate(m, s.Endpoint())
	}},
	{"our identity used by another towards one of ours,", func(x *mix, _ *stranger, m *member) {
		if o := x.members[x.r.IntN(len(x.members))]; o != m {
			x.impersonate(m, o.Endpoint())
		}
	}},
}

// impersonate has another program say HELLO once with the identity and all else of a member, and close.
func (x *mix) impersonate(m *member, to string) {
	nc, err := x.doubles.Dial(x.t.Context(), "tcp", strings.TrimPrefix(to, "tcp://"))
	if err != nil {
		return
	}
	q := zmtp.NewQueue(10, 1<<20)
	identity := append([]byte{1}, m.id[:]...)
	conn, err := zmtp.Open(x.t.Context(), nc, zmtp.Config{Identity: identity}, q, nil, ignore{})
	if err != nil {
		return
	}
	defer conn.Close(nil)
	hello := msg.OutHello{Endpoint: m.Endpoint(), Groups: []string{group}, Status: 1, Name: m.name}
	frame, err := msg.AppendHello(nil, 1, &hello, msg.Limits{})
	if err == nil {
		err = q.Push(frame)
	}
	if err != nil {
		x.t.Error(err)
	}
	_ = q.Flush(x.t.Context()) // if the connection breaks, nothing was said
}

type ignore struct{}

func (ignore) Receive([][]byte) error { return nil }
func (ignore) Closed(error)           {}

// Nodes of ours and of others that meet, break, and come back are calm soon, and all see each other.
func TestStrangers(t *testing.T) {
	runs := 300
	if underRace {
		runs = 30
	}
	zretest.Run(t, runs, func(t *testing.T, lan *zretest.LAN) {
		x := newMix(t, lan, zretest.Zyre, zretest.Pyre, zretest.ZyreJS)
		defer func() {
			if t.Failed() {
				t.Logf("story: %s", strings.Join(x.story, "; "))
			}
		}()
		for range 1 + x.r.IntN(6) {
			time.Sleep(time.Duration(x.r.ExpFloat64() * float64(6*time.Second)))
			s, m, f := x.strangers[x.r.IntN(len(x.strangers))], x.members[x.r.IntN(len(x.members))], mixFaults[x.r.IntN(len(mixFaults))]
			if !s.up {
				continue
			}
			x.tell("%s %s with %s", f.name, s.Name(), m.name)
			f.do(x, s, m)
			x.disturb(calmAfterFault)
		}
		time.Sleep(time.Until(x.calmAt))
		synctest.Wait()
		x.tell("calm")
		x.check()
	})
}

// newMix starts a cluster.
func newMix(t *testing.T, lan *zretest.LAN, kinds ...zretest.Implementation) *mix {
	r := lan.Rand()
	x := &mix{t: t, lan: lan, r: r, start: time.Now(), doubles: lan.Host("10.0.0.99/16")}
	x.latency = time.Duration(r.Int64N(int64(250 * time.Millisecond)))
	lan.SetLink(zretest.Link{Latency: x.latency})
	two := r.IntN(4) == 0
	host := func() *zretest.Host {
		x.count++
		addresses := []string{fmt.Sprintf("10.0.0.%d/16", x.count)}
		if two {
			addresses = append(addresses, fmt.Sprintf("10.1.0.%d/16", x.count))
		}
		return lan.Host(addresses...)
	}
	var static []string
	for i := range 1 + r.IntN(3) {
		s := &stranger{t: t, host: host(), kind: kinds[r.IntN(len(kinds))], port: 50_000}
		x.strangers = append(x.strangers, s)
		s.start(uuid.New(), fmt.Sprintf("%s%d", s.kind, i))
		if r.IntN(4) == 0 {
			static = append(static, s.Endpoint())
			if two && s.kind == zretest.Pyre { // which listens there too
				static = append(static, strings.Replace(s.Endpoint(), "10.0.", "10.1.", 1))
			}
		}
		x.pause(2 * time.Second)
	}
	options := []zre.Option{zre.WithPeers(static...)}
	if r.IntN(2) == 0 { // who comes after it is at the same endpoint
		options = append(options, zre.WithListen("tcp://*:50001"))
	}
	for i := range 1 + r.IntN(3) {
		x.members = append(x.members, newMember(t, host(), string(rune('a'+i)), options...))
		x.pause(2 * time.Second)
	}
	var names []string
	for _, s := range x.strangers {
		names = append(names, s.Name())
	}
	x.tell("%d of ours, %v, latency %v, two addresses %v, static %v", len(x.members), names, x.latency, two, static)
	x.disturb(calmAfterFault)
	return x
}

// check checks that nothing changes for a long time, that all are present, and that they hear each other.
func (x *mix) check() {
	before := make([]int, len(x.members))
	for i, m := range x.members {
		before[i] = len(m.Seen())
	}
	time.Sleep(trips * 2 * x.latency)
	synctest.Wait()
	calm := make(map[*stranger]int)
	for _, s := range x.strangers {
		calm[s] = len(s.Seen())
	}
	time.Sleep(30 * time.Second) // they talk on
	x.silence()
	time.Sleep(quiet - 30*time.Second)
	synctest.Wait()
	for s, seen := range calm {
		if late := comings(x.ofMembers(s.Seen()[seen:])); s.up && len(late) > 0 {
			x.t.Errorf("%s is not calm: %d enters and exits in %v, such as %s", s.Name(), len(late), quiet, strings.Join(late[:min(len(late), 6)], ", "))
		}
	}
	for i, m := range x.members {
		if late := comings(m.Seen()[before[i]:]); len(late) > 0 {
			x.t.Errorf("%s is not calm: %d enters and exits in %v, such as %s", m.name, len(late), quiet, strings.Join(late[:min(len(late), 6)], ", "))
		}
	}
	for _, m := range x.members {
		m.talk(x.t.Context())
	}
	for _, s := range x.strangers {
		if s.up {
			s.talk()
		}
	}
	time.Sleep(2 * time.Second)
	synctest.Wait()
	for _, m := range x.members {
		x.checkMember(m)
	}
	for _, s := range x.strangers {
		if s.up {
			x.checkStranger(s)
		}
	}
}

// ofMembers returns the events that are of members.
func (x *mix) ofMembers(events []zre.Event) (list []zre.Event) {
	for _, e := range events {
		if slices.ContainsFunc(x.members, func(m *member) bool { return m.id == e.From().UUID }) {
			list = append(list, e)
		}
	}
	return list
}

func (x *mix) silence() {
	for _, m := range x.members {
		m.silence()
	}
	for _, s := range x.strangers {
		if s.up {
			s.silence()
		}
	}
}

// comings lists the Enters and Exits among events.
func comings(events []zre.Event) (list []string) {
	for _, e := range events {
		switch e := e.(type) {
		case zre.Enter:
			list = append(list, "Enter("+e.Peer.Name+")")
		case zre.Exit:
			list = append(list, "Exit("+e.Peer.Name+": "+e.Reason.String()+")")
		}
	}
	return list
}

// checkMember checks that a member sees all that are up, and no others, and hears them.
func (x *mix) checkMember(m *member) {
	want := 0
	for _, o := range x.members {
		if o != m {
			want++
			x.checkHeard(m.name, m.Seen(), o.name, o.id, o.whispers[m.id], o.shouts)
		}
	}
	for _, s := range x.strangers {
		if s.up {
			want++
			x.checkHeard(m.name, m.Seen(), s.Name(), s.UUID(), s.whispers[m.id], s.shouts)
		}
	}
	var told zretest.Grammar
	for _, event := range m.Seen() {
		_ = told.Check(event) // has been checked
	}
	if got := len(m.Peers()); got != want || told.Present() != want {
		x.t.Errorf("%s sees %d peers and was told of %d, want %d: %v", m.name, got, told.Present(), want, names(m))
	}
}

// checkStranger is the same for what a stranger knows of our nodes. What strangers think of each other is not our affair.
func (x *mix) checkStranger(s *stranger) {
	peers := s.Peers()
	for _, m := range x.members {
		if !slices.Contains(peers, m.id) {
			x.t.Errorf("%s does not see %s", s.Name(), m.name)
		}
		peers = slices.DeleteFunc(peers, func(id uuid.UUID) bool { return id == m.id })
		x.checkHeard(s.Name(), s.Seen(), m.name, m.id, m.whispers[s.UUID()], m.shouts)
	}
	for _, o := range x.strangers {
		peers = slices.DeleteFunc(peers, func(id uuid.UUID) bool { return o.up && id == o.UUID() })
	}
	if len(peers) > 0 {
		x.t.Errorf("%s sees %d peers that are gone", s.Name(), len(peers))
	}
	x.checkNumbers(s)
}

// checkHeard checks that the last messages of a peer came.
func (x *mix) checkHeard(name string, seen []zre.Event, from string, id uuid.UUID, whispers, shouts uint64) {
	var whisper, shout uint64
	for _, event := range seen {
		if event.From().UUID != id {
			continue
		}
		switch e := event.(type) {
		case zre.Whisper:
			whisper, _ = zretest.ParseNumber(e.Frames[0])
		case zre.Shout:
			shout, _ = zretest.ParseNumber(e.Frames[0])
		}
	}
	if whisper+1 != whispers || shout+1 != shouts {
		x.t.Errorf("%s heard %s up to whisper %d and shout %d; it said %d and %d", name, from, whisper+1, shout+1, whispers, shouts)
	}
}

// checkNumbers checks that a stranger has lost nothing of our nodes between an Enter and the next Enter or Exit.
func (x *mix) checkNumbers(s *stranger) {
	type stream struct {
		from uuid.UUID
		kind string
	}
	next := make(map[stream]uint64)
	for _, event := range x.ofMembers(s.Seen()) {
		var at stream
		var frames [][]byte
		from := event.From()
		switch e := event.(type) {
		case zre.Enter, zre.Exit:
			delete(next, stream{from.UUID, "whisper"})
			delete(next, stream{from.UUID, "shout"})
			continue
		case zre.Whisper:
			at, frames = stream{from.UUID, "whisper"}, e.Frames
		case zre.Shout:
			at, frames = stream{from.UUID, "shout"}, e.Frames
		default:
			continue
		}
		n, _ := zretest.ParseNumber(frames[0])
		if want, begun := next[at]; begun && n != want {
			x.t.Errorf("%s got %s %d of %s where %d was due", s.Name(), at.kind, n, from.Name, want)
		}
		next[at] = n + 1
	}
}

func names(m *member) (list []string) {
	for _, p := range m.Peers() {
		list = append(list, p.Name)
	}
	return list
}
