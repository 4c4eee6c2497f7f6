package zretest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/msg"
	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// A foreignMember is a node of another implementation that talks all the time, as a member does.
type foreignMember struct {
	*zretest.Foreign
	t    testing.TB
	host *zretest.Host
	kind zretest.Implementation
	port uint16
	up   bool

	talking repeater

	mu       sync.Mutex
	whispers map[uuid.UUID]uint64
	shouts   uint64
}

func (s *foreignMember) start(id uuid.UUID, name string) {
	s.whispers, s.shouts, s.up = make(map[uuid.UUID]uint64), 0, true
	s.Foreign = zretest.NewForeign(s.t, s.host, s.kind, zretest.ForeignUUID(id), zretest.ForeignName(name),
		zretest.ForeignPort(s.port), zretest.ForeignGroups(group))
	s.startTalking()
}

func (s *foreignMember) startTalking() {
	s.talking.begin(s.t.Context(), func(context.Context) { s.sendOnce() })
}

func (s *foreignMember) sendOnce() {
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

func (s *foreignMember) stopTalking() { s.talking.end() }

// end ends the program by how.
func (s *foreignMember) end(how func()) {
	s.stopTalking()
	how()
	s.Kill()
	s.up = false
}

// A mixedCluster is a cluster of our nodes and foreign ones.
type mixedCluster struct {
	t             *testing.T
	lan           *zretest.LAN
	r             *rand.Rand
	members       []*member
	foreign       []*foreignMember
	latency       time.Duration
	impersonators *zretest.Host // host of the programs that impersonate another
	calmAt        time.Time
	count         int
	steps         []string
	start         time.Time
}

func (x *mixedCluster) logStep(format string, args ...any) {
	x.steps = append(x.steps, fmt.Sprintf("%v %s", time.Since(x.start).Round(time.Millisecond), fmt.Sprintf(format, args...)))
}

// delayCalm records that something happened which may take that long to recover from.
func (x *mixedCluster) delayCalm(d time.Duration) {
	d += trips * 2 * x.latency
	if slices.ContainsFunc(x.foreign, func(s *foreignMember) bool { return s.kind == zretest.ZyreJS }) {
		d += calmAfterDrop + dropTrips*2*x.latency
	}
	if at := time.Now().Add(d); at.After(x.calmAt) {
		x.calmAt = at
	}
}

func (x *mixedCluster) pause(most time.Duration) { time.Sleep(time.Duration(x.r.Int64N(int64(most)))) }

// A mixFault happens to one stranger s, or one member m, or both.
type mixFault struct {
	name string
	do   func(x *mixedCluster, s *foreignMember, m *member)
}

var mixFaults = []mixFault{
	{"reset all of", func(x *mixedCluster, s *foreignMember, _ *member) { s.host.ResetConnections() }},
	{"reset all of ours,", func(x *mixedCluster, _ *foreignMember, m *member) { m.host.ResetConnections() }},
	{"reset its connection to ours,", func(x *mixedCluster, s *foreignMember, m *member) { s.host.ResetConnectionsTo(m.host) }},
	{"reset our connection to it,", func(x *mixedCluster, s *foreignMember, m *member) { m.host.ResetConnectionsTo(s.host) }},
	{"reset again and again", func(x *mixedCluster, s *foreignMember, _ *member) {
		for range 2 + x.r.IntN(4) {
			s.host.ResetConnections()
			x.pause(1500 * time.Millisecond)
		}
	}},
	{"another UUID at the address of", func(x *mixedCluster, s *foreignMember, _ *member) {
		s.end(s.host.Kill)
		x.pause(2 * time.Second)
		s.host = s.host.Process()
		s.start(uuid.New(), s.Name())
	}},
	{"another UUID in place of ours,", func(x *mixedCluster, _ *foreignMember, m *member) {
		m.end(m.host.Kill)
		x.pause(2 * time.Second)
		m.id = uuid.New()
		m.restart()
	}},
	{"killed and restarted", func(x *mixedCluster, s *foreignMember, _ *member) {
		s.end(s.host.Kill)
		x.pause(10 * time.Second)
		s.host = s.host.Process()
		s.start(s.UUID(), s.Name())
	}},
	{"stopped and restarted", func(x *mixedCluster, s *foreignMember, _ *member) {
		s.end(s.Stop)
		x.pause(10 * time.Second)
		s.host = s.host.Process()
		s.start(s.UUID(), s.Name())
	}},
	{"killed and restarted ours,", func(x *mixedCluster, _ *foreignMember, m *member) {
		m.end(m.host.Kill)
		x.pause(10 * time.Second)
		m.restart()
	}},
	{"closed and restarted ours,", func(x *mixedCluster, _ *foreignMember, m *member) {
		m.end(func() {})
		x.pause(10 * time.Second)
		m.restart()
	}},
	{"power lost for a while by", func(x *mixedCluster, s *foreignMember, _ *member) {
		s.end(s.host.Crash)
		x.delayCalm(calmAfterPower)
		x.pause(40 * time.Second)
		s.host.Boot()
		s.host = s.host.Process()
		s.start(s.UUID(), s.Name())
	}},
	{"power lost for good by", func(x *mixedCluster, s *foreignMember, _ *member) {
		s.end(s.host.Crash)
		x.delayCalm(calmAfterPower)
	}},
	{"power lost for a while by ours,", func(x *mixedCluster, _ *foreignMember, m *member) {
		m.end(m.host.Crash)
		x.delayCalm(calmAfterPower)
		x.pause(40 * time.Second)
		m.host.Boot()
		m.restart()
	}},
	{"power lost for good by ours,", func(x *mixedCluster, _ *foreignMember, m *member) {
		if len(x.members) > 1 {
			m.end(m.host.Crash)
			x.members = slices.DeleteFunc(x.members, func(o *member) bool { return o == m })
			x.delayCalm(calmAfterPower)
		}
	}},
	{"our identity used by another towards", func(x *mixedCluster, s *foreignMember, m *member) {
		x.delayCalm(calmAfterTheft)
		x.impersonate(m, s.Endpoint())
	}},
	{"our identity used by another towards one of ours,", func(x *mixedCluster, _ *foreignMember, m *member) {
		if o := x.members[x.r.IntN(len(x.members))]; o != m {
			x.impersonate(m, endpointOf(o))
		}
	}},
}

// impersonate makes another program send one HELLO with the identity and other data of a member, then close.
func (x *mixedCluster) impersonate(m *member, to string) {
	nc, err := x.impersonators.Dial(x.t.Context(), "tcp", strings.TrimPrefix(to, "tcp://"))
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
	hello := msg.OutHello{Endpoint: endpointOf(m), Groups: []string{group}, Status: 1, Name: m.name}
	frame, err := msg.AppendHello(nil, 1, &hello, msg.Limits{})
	if err == nil {
		err = q.Push(frame)
	}
	if err != nil {
		x.t.Error(err)
	}
	_ = q.Flush(x.t.Context()) // if the connection breaks, nothing was sent
}

type ignore struct{}

func (ignore) Receive([][]byte) error { return nil }
func (ignore) Closed(error)           {}

// newMixedCluster starts a cluster.
func newMixedCluster(t *testing.T, lan *zretest.LAN, kinds ...zretest.Implementation) *mixedCluster {
	r := lan.Rand()
	x := &mixedCluster{t: t, lan: lan, r: r, start: time.Now(), impersonators: lan.Host("10.0.0.99/16")}
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
		s := &foreignMember{t: t, host: host(), kind: kinds[r.IntN(len(kinds))], port: 50_000}
		x.foreign = append(x.foreign, s)
		s.start(uuid.New(), fmt.Sprintf("%s%d", s.kind, i))
		if r.IntN(4) == 0 {
			static = append(static, s.Endpoint())
			if two && s.kind == zretest.Pyre { // pyre listens there, too
				static = append(static, strings.Replace(s.Endpoint(), "10.0.", "10.1.", 1))
			}
		}
		x.pause(2 * time.Second)
	}
	options := []zre.Option{zre.WithPeers(static...)}
	if r.IntN(2) == 0 { // a later node may have the same endpoint
		options = append(options, zre.WithListen("tcp://*:50001"))
	}
	for i := range 1 + r.IntN(3) {
		x.members = append(x.members, newMember(t, host(), string(rune('a'+i)), options...))
		x.pause(2 * time.Second)
	}
	var names []string
	for _, s := range x.foreign {
		names = append(names, s.Name())
	}
	x.logStep("%d of ours, %v, latency %v, two addresses %v, static %v", len(x.members), names, x.latency, two, static)
	x.delayCalm(calmAfterFault)
	return x
}
