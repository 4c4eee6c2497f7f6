package discovery

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/cert"
)

// A Place is an address where a peer may be, with the public key that it must have there: zero for a plain peer.
type Place struct {
	netip.AddrPort
	Key cert.PublicKey
}

// A Candidate is a place where a peer may be. The control loop owns it.
type Candidate struct {
	at      Place
	sources []*source
	stage   stage
	round   uint64 // the last call of set that saw it

	peer     uuid.UUID // the peer that was met there, or is known to be there; Nil if none yet
	metIndex int       // position in Seeker.met[peer]
	isMet    bool      // it is in the met of its sources

	attempts   int // failed ones since the last success
	isReported bool

	queue *queue // that it waits in; nil if none
	index int    // its position there
	due   time.Time
	order uint64 // decides between equal times

	greeted    time.Time    // when the session began that will learn the peer's UUID
	dependents []*Candidate // of a host name with both families: they wait for the outcome of this one's HELLO
}

// A stage is what happens to a candidate.
type stage uint8

const (
	resting  stage = iota // a session leads there; it is tried again when that is over
	queued                // it is tried when it is due
	probing               // an attempt is under way
	waiting               // it has no identity, and waits until another one has answered its HELLO
	greeting              // a session leads there, and its peer has not sent its UUID
	removed               // no source names it
)

// maxSources bounds the sources that a candidate keeps: gossip may name one address for any number of peers. The newest are kept.
const maxSources = 32

// At returns the address.
func (c *Candidate) At() netip.AddrPort { return c.at.AddrPort }

// PublicKey returns the key that the peer there must have; zero for a plain one.
func (c *Candidate) PublicKey() cert.PublicKey { return c.at.Key }

// Peer returns the peer that was met there last, or is presumed to be there; uuid.Nil if none.
func (c *Candidate) Peer() uuid.UUID { return c.peer }

// IsFrom tells whether a source of a kind names the address.
func (c *Candidate) IsFrom(kind Kind) bool {
	return slices.ContainsFunc(c.sources, func(s *source) bool { return s.Kind == kind })
}

// IsGossiped tells whether gossip names the address for a peer.
func (c *Candidate) IsGossiped(peer uuid.UUID) bool {
	return slices.ContainsFunc(c.sources, func(s *source) bool { return s.Kind == Gossip && s.Peer == peer })
}

// Sources returns the sources in words, such as "peer tcp://10.0.0.1:5670, SRV _zre._tcp.example".
func (c *Candidate) Sources() string {
	names := make([]string, len(c.sources))
	for i, s := range c.sources {
		names[i] = s.String()
	}
	return strings.Join(names, ", ")
}

// add adds a source that names the candidate. It returns false if that did so before.
func (c *Candidate) add(src *source) bool {
	if slices.Contains(c.sources, src) {
		return false
	}
	if len(c.sources) >= maxSources {
		if oldest := slices.IndexFunc(c.sources, func(s *source) bool { return s.Kind == Gossip }); oldest >= 0 {
			c.sources[oldest].forget(c)
			c.sources = slices.Delete(c.sources, oldest, oldest+1)
		}
	}
	c.sources = append(c.sources, src)
	if c.isMet {
		src.note(c)
	}
	return true
}

// note tells the sources that a peer was met at the candidate.
func (c *Candidate) note() {
	if c.isMet {
		return
	}
	c.isMet = true
	for _, src := range c.sources {
		src.note(c)
	}
}
