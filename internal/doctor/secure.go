package doctor

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"slices"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/curve"
	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/zre"
)

// Secure nodes (CURVE) and plain ones never meet, and secure ones only if each lets the other's key in.

// securityProblems are those of a node that findings tell of.
var securityProblems = []string{zre.ProblemRefused.String(), zre.ProblemRefusedBy.String(), zre.ProblemNoKey.String()}

// Refusal is a key that one side does not let in.
type Refusal struct {
	By        string        `json:"by"`                  // "us", or "them": the peer refuses this node
	PublicKey zre.PublicKey `json:"public_key,omitzero"` // the peer's
	UUID      *uuid.UUID    `json:"uuid,omitempty"`      // the peer's, if it is known
	Endpoint  string        `json:"endpoint,omitempty"`  // where it was met, likewise
	Error     string        `json:"error"`               // why
}

// isSecure reports whether the node that is run is a secure one.
func (c *Config) isSecure() bool { return !c.key.IsZero() }

// publicKey is that of the certificate; zero if there is none, or if it cannot be used, which the node that is run tells.
func (c *Config) publicKey() (key zre.PublicKey) {
	if node, err := zre.NewNode(c.Security...); err == nil {
		key = node.PublicKey()
	}
	return key
}

// probeOver asks who answers at the other end of a connection, as [zmtp.Probe] does. Of a secure node it demands the key; where that is zero it only sees
// which mechanism is spoken.
func (c *Config) probeOver(ctx context.Context, nc net.Conn, key zre.PublicKey) ([]byte, error) {
	cfg, err := c.probeConfig(key)
	if err != nil {
		nc.Close()
		return nil, err
	}
	return zmtp.Probe(ctx, nc, cfg)
}

// securedAnswer is what an answer means to a secure node: without a key it was asked as a plain node asks.
func (c *Config) securedAnswer(a Answer, key zre.PublicKey) Answer {
	switch {
	case !c.isSecure() || !key.IsZero():
	case a == Curve:
		return NoKey
	case a.isNode():
		return Plain
	}
	return a
}

// probeConfig is the configuration of a probe of an endpoint with that key. The keys of the probe are its own: it proves nothing.
func (c *Config) probeConfig(key zre.PublicKey) (zmtp.Config, error) {
	cfg := zmtp.Config{HandshakeTimeout: probeTimeout}
	if !c.isSecure() || key.IsZero() {
		return cfg, nil
	}
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails
	keys, err := curve.NewKeyPair(secret)
	if err != nil {
		return cfg, err
	}
	cfg.Curve = &zmtp.Curve{Keys: keys, Server: curve.PublicKey(key)}
	return cfg, nil
}

// addRefusal takes the problem that one side refuses the other.
func (x *examination) addRefusal(p zre.Problem) {
	r := &Refusal{By: "us", PublicKey: p.Peer.PublicKey, Endpoint: clean(p.Peer.Endpoint), Error: errorText(p.Err)}
	if p.Kind == zre.ProblemRefusedBy {
		r.By = "them"
	}
	if p.Peer.UUID != uuid.Nil {
		r.UUID = &p.Peer.UUID
	}
	same := func(o *Refusal) bool { return o.By == r.By && o.PublicKey == r.PublicKey && o.Endpoint == r.Endpoint }
	if !slices.ContainsFunc(x.facts.Refusals, same) && len(x.facts.Refusals) < maxNodes {
		x.facts.Refusals = append(x.facts.Refusals, r)
	}
}

// isSecure reports whether the node that was run is a secure one.
func (r *Report) isSecure() bool { return !r.Self.PublicKey.IsZero() }

// mustAnswer reports whether a node's mailbox must answer: it is there, and is as secure as this one.
func (r *Report) mustAnswer(n *Node) bool { return n.mustAnswer() && n.hasKey() == r.isSecure() }

// isRefused reports whether this node and another one are kept apart by their keys.
func (r *Report) isRefused(n *Node) bool {
	return slices.ContainsFunc(r.Refusals, func(o *Refusal) bool {
		return o.UUID != nil && *o.UUID == n.UUID || !n.PublicKey.IsZero() && o.PublicKey == n.PublicKey || n.announces(o.Endpoint)
	})
}

// isRefusedAt is refuses for who answers at an endpoint.
func (r *Report) isRefusedAt(m *Mailbox) bool {
	return slices.ContainsFunc(r.Refusals, func(o *Refusal) bool { return o.Endpoint == m.Endpoint })
}

// checkSecurity: has the node a certificate where this one has none, or the reverse?
func (r *Report) checkSecurity(n *Node) {
	if len(n.Beacons) == 0 || n.hasKey() == r.isSecure() {
		return
	}
	f := Finding{Kind: "curve", Node: n.UUID.String(),
		Text: fmt.Sprintf("%s speaks CURVE, and this node does not, so the two never meet; its port was not checked.", n.title()),
		Try:  "if they are to meet, give this one a certificate too (--cert; docs/security.md)."}
	if r.isSecure() {
		f.Kind = "plain"
		f.Text = fmt.Sprintf("This node speaks CURVE, and %s does not, so the two never meet; its port was not checked.", n.title())
		f.Try = "if they are to meet, give that one a certificate too (zre keygen), or leave out --cert here."
	}
	r.note(f)
}

// checkRefusals: which keys are not let in?
func (r *Report) checkRefusals() {
	for _, o := range r.Refusals {
		f := Finding{Kind: "refused", Endpoint: o.Endpoint,
			Text: fmt.Sprintf("This node does not let in the key %v: %s.", o.PublicKey, o.Error),
			Try:  "if that node is one of yours, put its public certificate where --authorize looks."}
		if o.By == "them" {
			f.Kind = "refused-by"
			f.Text = fmt.Sprintf("The node with the key %v does not let in this one's, %v: %s.", o.PublicKey, r.Self.PublicKey, o.Error)
			f.Try = "put this node's public certificate where that node looks for certificates that it lets in."
		}
		if o.UUID != nil {
			f.Node = o.UUID.String()
		}
		r.problem(f)
	}
}

// securityFinding says what is wrong with an endpoint that was named, if its mechanism or key is. at is how it is called.
func (m *Mailbox) securityFinding(f *Finding, at string) {
	switch m.Answer {
	case Curve:
		f.Text = at + " speaks CURVE, and this node does not, so the two never meet."
		f.Try = "give this node a certificate too (--cert; docs/security.md)."
	case Plain:
		f.Text = "This node speaks CURVE, and " + at + " does not, so the two never meet."
		f.Try = "give that node a certificate too (zre keygen), or leave out --cert here."
	case NoKey:
		f.Text = at + " speaks CURVE, and its public key was not given, so this node does not connect there."
		f.Try = "add the key to the endpoint: --peer 'ENDPOINT|KEY' (zre pipe prints it when that node starts, and its public certificate has it), or put it into a TXT record beside SRV."
	case WrongKey:
		f.Text = at + " speaks CURVE, and has another public key than the one that was given; or it has too many handshakes."
		f.Try = "check the key."
	}
}
