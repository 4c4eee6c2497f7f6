package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/zre"
)

const (
	// nodeName is the name under which others see the doctor's node. Its header "role" tells programs the same.
	nodeName = "zre doctor"
	// maxProbes bounds the concurrent probes. extraProbeTime is how much longer probes may run when the listening ends.
	maxProbes      = 32
	extraProbeTime = 2*probeTimeout + 500*time.Millisecond
	// maxSightings bounds the sightings that wait for the loop; more in one burst are dropped.
	maxSightings = 4096
)

// Collect listens for Config.Time, tests every node that is heard or named, which may take some seconds more, and returns what it found.
// Meanwhile it announces its own node, which others see enter and leave. When ctx ends it returns what it has by then. An error says what
// in the configuration cannot be used; whatever fails in the examination is a fact.
func Collect(ctx context.Context, cfg Config) (*Facts, error) {
	cfg = cfg.withDefaults()
	surveyed, err := beacon.Survey(cfg.beacons())
	var unlisted *beacon.Failure // the system's error, which is a fact
	if err != nil && !errors.As(err, &unlisted) {
		return nil, err
	}
	if err := cfg.check(surveyed); err != nil {
		return nil, err
	}
	logLines := cfg.nodeLog()
	node, err := zre.NewNode(cfg.options(logLines)...)
	if err != nil {
		return nil, err
	}
	defer node.Close()

	x := newExamination(cfg, node.UUID())
	x.facts.Self.PublicKey = node.PublicKey()
	x.facts.Ports = cfg.ports()
	sightings := make(chan beacon.Sighting, maxSightings)
	listener, err := cfg.listen(func(s beacon.Sighting) {
		select {
		case sightings <- s:
		default:
		}
	})
	if err != nil {
		x.facts.Self.Error = errorText(err)
	} else {
		defer listener.Close()
		surveyed = listener.Survey()
		if err := node.Start(ctx); err != nil {
			x.facts.Self.Error = err.Error()
		} else {
			x.facts.Self.Port = cfg.mailboxPort(node)
		}
	}
	x.run(ctx, sightings, node.Events())
	last := surveyed
	if listener != nil {
		last = listener.Survey()
		x.facts.Failures = failuresOf(listener)
	}
	x.facts.Interfaces = cfg.interfaces(surveyed, last, x.facts.Self.Port, x.heardBack)
	x.finish()
	x.facts.Complaints = logLines.list()
	return &x.facts, nil
}

// options returns the options of the doctor's node.
func (c *Config) options(nodeLog *nodeLog) []zre.Option {
	options := []zre.Option{
		zre.WithName(nodeName), zre.WithHeader("role", "doctor"),
		zre.WithBeaconPort(c.Port), zre.WithInterfaces(c.Interfaces...),
		zre.WithTransports("tcp"), // which is to be tested, on this host too
		zre.WithLogger(zerolog.New(nodeLog).Level(zerolog.WarnLevel)),
	}
	for _, e := range c.Peers {
		options = append(options, zre.WithPeers(e.withKey()))
	}
	options = append(options, zre.WithSRV(c.SRV...), zre.WithDNSServer(c.Resolver))
	if c.Advertise != "" {
		options = append(options, zre.WithAdvertise(c.Advertise))
	}
	if c.Listen != "" {
		options = append(options, zre.WithListen(c.Listen))
	}
	if c.Network != nil {
		options = append(options, zre.WithNetwork(c.Network))
	}
	return append(options, c.Security...)
}

// failuresOf returns what an agent cannot do.
func failuresOf(agent *beacon.Agent) (list []Failure) {
	for _, f := range agent.Failures() {
		failure := Failure{Call: f.Op.String(), Interface: f.Interface, Error: errorText(f.Err), Since: f.Since, call: f.Op, dst: f.Dst, err: f.Err}
		if f.Dst.IsValid() {
			failure.To = f.Dst.String()
		}
		list = append(list, failure)
	}
	return list
}

// listen opens the second listener, which also hears the doctor's own beacons, because it has another UUID. It sends nothing.
func (c *Config) listen(handler func(beacon.Sighting)) (*beacon.Agent, error) {
	b := c.beacons()
	b.UUID, b.Handler = uuid.New(), handler
	return beacon.Open(b)
}

// check reports what cannot work in the peers and in what they are told, on a machine with these interfaces.
func (c *Config) check(surveyed []beacon.Report) error {
	for _, e := range c.Peers {
		zone := e.zone()
		if zone != "" && !slices.ContainsFunc(surveyed, func(r beacon.Report) bool { return r.Name == zone || strconv.Itoa(r.Index) == zone }) {
			return fmt.Errorf("%s: there is no interface %s here", e, zone)
		}
	}
	if c.Advertise != "" && c.listenPort() == 0 {
		return fmt.Errorf("to advertise %s, name with --listen the port of this machine that it leads to", c.Advertise)
	}
	return nil
}

// listenPort returns the configured port of the mailbox, 0 for any.
func (c *Config) listenPort() int {
	_, service, _ := net.SplitHostPort(trimScheme(c.Listen))
	port, _ := strconv.ParseUint(service, 10, 16) // the node has refused an invalid port
	return int(port)
}

// mailboxPort returns the port of a node that has started. What it advertises may be a port of another machine.
func (c *Config) mailboxPort(node *zre.Node) int {
	if c.Advertise != "" {
		return c.listenPort()
	}
	ap, _ := netip.ParseAddrPort(trimScheme(node.Endpoints()[0])) // it is valid
	return int(ap.Port())
}

// ports tries the UDP ports of each address family that the machine has. Another socket fits beside those of beacons.
func (c *Config) ports() (list []Port) {
	classicPort, statePort := c.beacons().Ports()
	for _, network := range []string{"udp4", "udp6"} {
		for _, p := range []Port{{Port: classicPort, Kind: classic}, {Port: statePort, Kind: state}} {
			p.Family = map[string]Family{"udp4": IPv4, "udp6": IPv6}[network]
			conn, err := c.listenPacket(network, p.Port)
			switch {
			case err == nil:
				conn.Close()
			case errors.Is(err, errors.ErrUnsupported):
				continue
			default:
				p.Taken, p.Error = isTaken(err), errorText(err)
			}
			list = append(list, p)
		}
	}
	return list
}

// An examination is the loop that owns the facts while they grow, and its working data.
type examination struct {
	cfg   Config
	facts Facts
	began time.Time
	nodes map[uuid.UUID]*Node

	heardBack map[sentKind]int            // of the doctor's own beacons: how many came back
	mailboxes map[netip.AddrPort]*Mailbox // of nodes; several may name the same

	probing    context.Context
	probeSlots chan struct{} // has a token for each probe under way
	results    chan func()   // the end of each probe, run by the loop
	pending    int           // probes that have not ended
}

func newExamination(cfg Config, self uuid.UUID) *examination {
	chosen := slices.ContainsFunc(cfg.Interfaces, func(entry string) bool { return !strings.HasPrefix(entry, "!") })
	return &examination{
		cfg:   cfg,
		facts: Facts{Self: Self{UUID: self, Chosen: chosen, Advertised: cfg.Advertise}},
		began: time.Now(),
		nodes: make(map[uuid.UUID]*Node), heardBack: make(map[sentKind]int), mailboxes: make(map[netip.AddrPort]*Mailbox),
		probeSlots: make(chan struct{}, maxProbes), results: make(chan func()),
	}
}

// run listens and tests until the time is over.
func (x *examination) run(ctx context.Context, sightings <-chan beacon.Sighting, events <-chan zre.Event) {
	var cancel context.CancelFunc
	x.probing, cancel = context.WithCancel(ctx)
	defer cancel()
	for _, e := range x.cfg.Peers {
		x.testEndpoint(e)
	}
	for _, domain := range x.cfg.SRV {
		x.testSRV(domain)
	}
	end := time.NewTimer(x.cfg.Time)
	defer end.Stop()
	done := ctx.Done()
	listening := x.facts.Self.Error == ""
	if !listening {
		end.Reset(x.cfg.Time + extraProbeTime)
	}
	for listening || x.pending > 0 {
		select {
		case s := <-sightings:
			if listening {
				x.handleSighting(s)
			}
		case e := <-events:
			x.handleEvent(e)
		case finish := <-x.results:
			x.pending--
			finish()
		case <-end.C:
			if !listening {
				cancel() // what is unknown by now stays unknown
				break
			}
			listening = false
			end.Reset(extraProbeTime)
		case <-done:
			listening, done = false, nil
		}
	}
	if x.facts.Self.Error == "" {
		x.facts.ListenedMS = min(time.Since(x.began), x.cfg.Time).Milliseconds()
	}
}

// probe tests a mailbox, on a goroutine; done gets the result, in the loop.
func (x *examination) probe(address netip.AddrPort, key zre.PublicKey, done func(*Mailbox)) {
	x.startProbe(func() func() {
		m := x.cfg.probe(x.probing, address, key)
		return func() { done(m) }
	})
}

// testEndpoint tests a named endpoint: first its name, then each address.
func (x *examination) testEndpoint(e Endpoint) {
	p := &Peer{Endpoint: e.String()}
	x.facts.Peers = append(x.facts.Peers, p)
	x.startProbe(func() func() {
		addresses, err := x.cfg.resolve(x.probing, e)
		return func() {
			p.Error = errorText(err)
			for _, a := range addresses {
				x.probe(a, e.Key, func(m *Mailbox) {
					p.Mailboxes = append(p.Mailboxes, m)
					if !m.Answer.isNode() {
						return
					}
					if p.answered == 0 {
						p.answered = time.Since(x.began)
					}
					x.startProbe(func() func() {
						large := x.cfg.testLarge(x.probing, a, e.Key)
						return func() { m.Large = large }
					})
				})
			}
		}
	})
}

// startProbe does work on a goroutine, when there is a slot; then the loop runs the function that work returned.
func (x *examination) startProbe(work func() func()) {
	x.pending++
	go func() {
		x.probeSlots <- struct{}{} // earlier probes end within their time
		conclude := work()
		<-x.probeSlots
		x.results <- conclude // the loop waits for it
	}()
}

// finish puts the facts in order.
func (x *examination) finish() {
	f := &x.facts
	for _, n := range x.nodes {
		n.Local = n.Local || f.ownsAddress(n.Endpoint)
		n.KnownMS = (time.Since(x.began) - n.first).Milliseconds()
		for _, h := range n.Beacons {
			if h.Count > 1 {
				h.EveryMS = (h.last - h.first).Milliseconds() / int64(h.Count-1)
			}
		}
		slices.SortFunc(n.Beacons, compareHeard)
		slices.SortStableFunc(n.Mailboxes, byFamily)
		n.Beacons, n.Mailboxes = nonNil(n.Beacons), nonNil(n.Mailboxes)
		f.Nodes = append(f.Nodes, n)
	}
	slices.SortFunc(f.Nodes, func(a, b *Node) int { return slices.Compare(a.UUID[:], b.UUID[:]) })
	for i := range f.Interfaces {
		i := &f.Interfaces[i]
		i.Addresses, i.Used, i.Endpoints, i.Beacons = nonNil(i.Addresses), nonNil(i.Used), nonNil(i.Endpoints), nonNil(i.Beacons)
	}
	for _, p := range f.Peers {
		slices.SortStableFunc(p.Mailboxes, byFamily)
		p.Mailboxes = nonNil(p.Mailboxes)
		if p.answered > 0 {
			p.KnownMS = max(0, f.ListenedMS-p.answered.Milliseconds())
		}
		p.findNode(f.Nodes)
	}
	slices.SortFunc(f.SRV, func(a, b *SRV) int { return strings.Compare(a.Name, b.Name) })
	f.Interfaces, f.Nodes, f.Peers = nonNil(f.Interfaces), nonNil(f.Nodes), nonNil(f.Peers)
}

// ownsAddress tells whether the address of an endpoint belongs to this machine.
func (f *Facts) ownsAddress(endpoint string) bool {
	at, err := netip.ParseAddrPort(trimScheme(endpoint))
	return err == nil && slices.ContainsFunc(f.Interfaces, func(i Interface) bool {
		return slices.ContainsFunc(i.Addresses, func(p netip.Prefix) bool { return p.Addr() == at.Addr().WithZone("") })
	})
}

// byFamily orders endpoints: IPv4 first, because people know those addresses.
func byFamily(a, b *Mailbox) int {
	return boolToInt(a.family() == IPv6) - boolToInt(b.family() == IPv6)
}

func (m *Mailbox) family() Family {
	at, _ := netip.ParseAddrPort(trimScheme(m.Endpoint)) // it is valid
	return familyOf(at.Addr())
}

// findNode finds which of the nodes that connected is at a named endpoint: the one whose UUID answered there, or else one that is reached
// there or beacons it.
func (p *Peer) findNode(nodes []*Node) {
	for _, m := range p.Mailboxes {
		for _, n := range nodes {
			if !n.Entered || !m.Answer.isNode() {
				continue
			}
			if m.UUID != nil && *m.UUID == n.UUID || m.UUID == nil && (m.Endpoint == n.Endpoint || n.announces(m.Endpoint)) {
				p.Entered, p.UUID = true, &n.UUID
				return
			}
		}
	}
}

// announces tells whether the node's beacons lead to an endpoint.
func (n *Node) announces(endpoint string) bool {
	return slices.ContainsFunc(n.Mailboxes, func(m *Mailbox) bool { return m.Endpoint == endpoint })
}

// nonNil makes a list that JSON shows as a list even if it is empty.
func nonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// handleEvent handles an event of the node.
func (x *examination) handleEvent(event zre.Event) {
	switch e := event.(type) {
	case zre.Enter:
		if n := x.node(e.Peer.UUID); n != nil && !n.Entered {
			n.Entered, n.Name = true, clean(e.Peer.Name)
			n.EnteredMS = time.Since(x.began).Milliseconds()
			n.Endpoint = clean(e.Peer.Endpoint)
			if !e.Peer.PublicKey.IsZero() {
				n.PublicKey = e.Peer.PublicKey
			}
		}
	case zre.Problem:
		if !e.Solved && (e.Kind == zre.ProblemRefused || e.Kind == zre.ProblemRefusedBy) {
			x.addRefusal(e)
		}
	case zre.Exit:
		if n := x.nodes[e.Peer.UUID]; n != nil && e.Reason == zre.ReasonLeft {
			n.Left = true
		}
	}
}
