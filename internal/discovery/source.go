package discovery

import (
	"context"
	"net/netip"
	"slices"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/cert"
)

// Kind is a kind of source.
type Kind uint8

const (
	Configured Kind = iota // the application
	SRV                    // DNS records
	Gossip                 // gossip, which says whose address it is
)

var kindNames = [...]string{Configured: "peer", SRV: "SRV", Gossip: "gossip"}

// Source identifies what names addresses.
type Source struct {
	Kind Kind
	Name string    // Configured: the endpoint; SRV: the domain name; empty for Gossip
	Peer uuid.UUID // Gossip: the peer whose addresses it names; Nil for the others
}

// String returns the source in words, such as "SRV _zre._tcp.example".
func (s Source) String() string {
	if s.Kind == Gossip {
		return kindNames[s.Kind] + " " + s.Peer.String()
	}
	return kindNames[s.Kind] + " " + s.Name
}

// source is a Source with the candidates that it names.
type source struct {
	Source
	candidates []*Candidate
	isHost     bool         // it is a host name
	met        []*Candidate // candidates of a host name where a peer was met: one peer may have addresses of both families
	look       *lookUp      // of its host name; nil if it has none
}

// note notes that a peer was met at a candidate.
func (src *source) note(c *Candidate) {
	if src.isHost {
		src.met = append(src.met, c)
	}
}

// forget undoes note.
func (src *source) forget(c *Candidate) {
	if i := slices.Index(src.met, c); i >= 0 {
		src.met = slices.Delete(src.met, i, i+1)
	}
}

// SetSource makes a source name these addresses of plain peers, and no others. It does not keep the slice.
func (s *Seeker) SetSource(key Source, addrs []netip.AddrPort) {
	s.SetPlaces(key, places(addrs, cert.PublicKey{}))
}

// SetPlaces makes a source name these places, and no others. It does not keep the slice.
func (s *Seeker) SetPlaces(key Source, list []Place) {
	if s.stopped {
		return
	}
	s.set(s.source(key), list)
}

// places returns the places of addresses where peers have that key.
func places(addrs []netip.AddrPort, key cert.PublicKey) []Place {
	list := make([]Place, len(addrs))
	for i, at := range addrs {
		list[i] = Place{at, key}
	}
	return list
}

// RemoveSource makes a source name nothing any longer, and ends the look-ups of its host name.
func (s *Seeker) RemoveSource(key Source) {
	src := s.sources[key]
	if src == nil || s.stopped {
		return
	}
	s.endLookUp(src)
	s.set(src, nil)
}

// IsGossiped tells whether gossip names addresses of a peer.
func (s *Seeker) IsGossiped(peer uuid.UUID) bool {
	src := s.sources[Source{Kind: Gossip, Peer: peer}]
	return src != nil && len(src.candidates) > 0
}

// Configured calls f with each address that the application names.
func (s *Seeker) Configured(f func(at netip.AddrPort)) {
	for key, src := range s.sources {
		if key.Kind != Configured {
			continue
		}
		for _, c := range src.candidates {
			f(c.at.AddrPort)
		}
	}
}

// source returns a source, a new one if it is not known.
func (s *Seeker) source(key Source) *source {
	src := s.sources[key]
	if src == nil {
		src = &source{Source: key}
		s.sources[key] = src
	}
	return src
}

// set makes a source name these places, and no others.
func (s *Seeker) set(src *source, list []Place) {
	s.round++
	for _, at := range list {
		if c := s.candidates[at]; c != nil {
			c.round = s.round
		}
	}
	before := src.candidates
	src.candidates = make([]*Candidate, 0, len(list))
	for _, c := range before {
		if c.round != s.round {
			s.drop(src, c)
		}
	}
	s.round++ // from here it marks what has been added
	ignored := 0
	for _, at := range list {
		c := s.candidates[at]
		if c == nil {
			if len(s.candidates) >= s.cfg.Candidates {
				ignored++
				continue
			}
			c = &Candidate{at: at}
			s.candidates[at] = c
		}
		if c.round == s.round {
			continue // it is named twice
		}
		c.round = s.round
		src.candidates = append(src.candidates, c)
		if c.add(src) {
			c.attempts = 0
			if c.stage != probing && c.stage != greeting {
				s.schedule(c, 0)
			}
		}
	}
	if ignored > 0 {
		s.cfg.Log.Warn().Stringer("source", src).Int("ignored", ignored).Int("limit", s.cfg.Candidates).Msg("too many addresses to try")
	}
	if len(src.candidates) == 0 && src.look == nil {
		delete(s.sources, src.Source)
	}
	if src.Kind == Configured {
		s.cfg.ConfiguredChanged()
	}
	s.Run()
}

// drop removes a candidate from those that a source names.
func (s *Seeker) drop(src *source, c *Candidate) {
	i := slices.Index(c.sources, src)
	if i < 0 {
		return // it had too many sources
	}
	c.sources = slices.Delete(c.sources, i, i+1)
	src.forget(c)
	if len(c.sources) > 0 {
		return
	}
	delete(s.candidates, c.at)
	c.leaveQueue()
	s.setPeer(c, uuid.Nil)
	wasGreeting := c.stage == greeting
	s.leaveGreeting(c)
	c.stage = removed
	s.clearProblem(c)
	s.retryDependents(c)
	s.cfg.Removed(c)
	if wasGreeting {
		s.cfg.Sessions.End(c)
	}
}

// lookUp is the repeated look-up of a host name.
type lookUp struct {
	again   chan struct{} // a token starts a look-up at once
	end     context.CancelFunc
	problem string // what was last logged
}
