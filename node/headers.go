package node

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-zre/go-zre/msg"
)

// headersPause is the least time between two HEADERS to a peer that has not read everything sent to it. Only the last change counts, and the
// peer's queue must not grow with each change.
const headersPause = time.Second

// reservedHeaders are the headers that a node sets itself.
var reservedHeaders = []string{keyHeader}

// SetHeader sets one of our headers. Peers of this implementation learn it at once, others with our next HELLO to them. It may be called
// before Start.
func (n *Node) SetHeader(name, value string) error {
	err := n.cfg.Limits.checkHeader(name, value)
	if err == nil {
		err = n.change(func() error {
			if old, has := (*n.headers.Load())[name]; has && old == value {
				return nil
			}
			headers := maps.Clone(*n.headers.Load())
			if headers == nil {
				headers = make(map[string]string)
			}
			headers[name] = value
			hello := n.hello()
			hello.Headers = n.outHeaders(headers)
			if err := n.checkHello(hello); err != nil {
				return err
			}
			n.replaceHeaders(headers)
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("set header %.40q: %w", name, err)
	}
	return nil
}

// RemoveHeader removes one of our headers. It does nothing if there is no such header.
func (n *Node) RemoveHeader(name string) error {
	err := n.cfg.Limits.checkHeader(name, "")
	if err == nil {
		err = n.change(func() error {
			if _, has := (*n.headers.Load())[name]; has {
				headers := maps.Clone(*n.headers.Load())
				delete(headers, name)
				n.replaceHeaders(headers)
			}
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("remove header %.40q: %w", name, err)
	}
	return nil
}

// Headers returns a copy of our headers.
func (n *Node) Headers() map[string]string {
	headers := make(map[string]string)
	maps.Copy(headers, *n.headers.Load())
	return headers
}

// checkHeader checks a header from the application.
func (l *Limits) checkHeader(name, value string) error {
	if name == "" {
		return stringError(&msg.StringError{Field: "header name", Reason: msg.ErrEmpty})
	}
	if slices.ContainsFunc(reservedHeaders, func(reserved string) bool { return strings.EqualFold(reserved, name) }) {
		return fmt.Errorf("header name %q: %w: the node sets it itself", name, ErrInvalidHeader)
	}
	err := msg.CheckHeader(name, value, l.msg())
	if wrong := (*msg.StringError)(nil); errors.As(err, &wrong) {
		return stringError(wrong)
	}
	return err
}

// outHeaders returns the headers of our HELLO and HEADERS, sorted by name; our public key comes last.
func (n *Node) outHeaders(headers map[string]string) (list []msg.OutHeader) {
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		list = append(list, msg.OutHeader{Name: name, Value: headers[name]})
	}
	if n.isSecure() {
		list = append(list, msg.OutHeader{Name: keyHeader, Value: n.publicKey().String()})
	}
	return list
}

// replaceHeaders replaces our headers. It runs in the control loop, or before Start.
func (n *Node) replaceHeaders(headers map[string]string) {
	n.headers.Store(&headers)
	n.headersVersion++
	if n.agent != nil && !n.headersJustSent {
		n.sendHeaders()
	}
}

// sendHeaders sends our headers to the peers. Changes within updateGap follow together.
func (n *Node) sendHeaders() {
	n.headersJustSent = true
	now, sent := time.Now(), n.headersVersion
	for _, p := range n.sessions {
		n.sendHeadersTo(p, now)
	}
	n.after(updateGap, func() {
		if n.headersJustSent = false; n.headersVersion != sent && !n.stopping {
			n.sendHeaders()
		}
	})
}

// sendHeadersTo sends our headers to one peer, if it understands HEADERS and does not have them. If other messages wait for the peer, this may
// wait for the next tick.
func (n *Node) sendHeadersTo(p *session, now time.Time) {
	if p.headersVersion == n.headersVersion || p.mailbox == nil || !p.extensions.has(extHeaders) || n.stopping {
		return
	}
	if waiting, _ := p.out.Depth(); waiting > 0 && now.Sub(p.headersSentAt) < headersPause {
		return
	}
	p.headersVersion, p.headersSentAt = n.headersVersion, now
	headers := n.outHeaders(*n.headers.Load())
	p.out.Control(func(dst []byte, sequence uint16) []byte {
		dst, err := msg.AppendHeaders(dst, sequence, headers, n.cfg.Limits.msg())
		if err != nil {
			panic(err) // they were checked
		}
		return dst
	})
}

// passHeaders makes the control loop handle HEADERS of a peer. It blocks while there is no room for the event: a peer may send more forever.
func (in *inbox) passHeaders() error {
	headers := make(map[string]string, len(in.message.Headers))
	for _, h := range in.message.Headers {
		headers[string(h.Name)] = string(h.Value)
	}
	if !in.node.events.AwaitMembershipRoom(in.stream, in.conn.Done()) {
		return errSessionOver
	}
	return in.node.do(func() { in.node.handleHeaders(in.session, headers) })
}

// handleHeaders handles changed headers of a peer. Reserved headers stay as the peer's HELLO gave them.
func (n *Node) handleHeaders(p *session, headers map[string]string) {
	if n.present[p.uuid] != p {
		return
	}
	for _, name := range reservedHeaders {
		delete(headers, name)
		if value, has := p.headers[name]; has {
			headers[name] = value
		}
	}
	if maps.Equal(p.headers, headers) {
		return
	}
	p.headers = headers
	n.events.Push(p.stream.Load(), Event{Kind: HeadersChanged, Peer: p.updateSnapshot()})
}
