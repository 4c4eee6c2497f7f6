package msg

import (
	"encoding/binary"
	"slices"
)

// HelloFields is what a HELLO says about its sender, apart from Message.Status (RFC 36,
// "The HELLO Command"). All text is unchanged: it may be empty, hold NUL octets, or not
// be UTF-8.
type HelloFields struct {
	Endpoint []byte   // where to connect to, such as "tcp://192.168.1.7:49152"; check it before you do
	Groups   [][]byte // in the order sent; a group may appear twice; up to Limits.LongString octets each
	Name     []byte
	Headers  []Header // in the order sent
}

// Header is one property of a node. RFC 36 does not define what a repeated name means,
// and Decode keeps both: C zyre uses the first, pyre, zyre.js and gyre the last.
type Header struct {
	Name, Value []byte
}

// Least octets of a group (its length) and of a header (its two lengths).
const (
	minGroup  = 4
	minHeader = 1 + 4
)

// decodeHello reads the fields of a HELLO from r; size is the size of the whole frame.
func (m *Message) decodeHello(r *reader, size int, limits Limits) {
	if size > limits.Hello {
		r.err = overLimit(Hello, "%d bytes, limit %d", size, limits.Hello)
		return
	}
	m.Hello.Endpoint = r.string("endpoint")
	m.Hello.Groups = make([][]byte, r.count("groups", minGroup, limits.Groups))
	for i := range m.Hello.Groups {
		m.Hello.Groups[i] = r.longstr("group", limits.LongString)
	}
	m.Status = r.number1("status")
	m.Hello.Name = r.string("name")
	m.Hello.Headers = r.headers(limits)
}

// headers reads the headers of a HELLO, or of HEADERS.
func (r *reader) headers(limits Limits) []Header {
	list := make([]Header, r.count("headers", minHeader, limits.Headers))
	for i := range list {
		list[i].Name = r.string("header name")
		list[i].Value = r.longstr("header value", limits.LongString)
	}
	return list
}

// OutHello is a HELLO to send.
type OutHello struct {
	Endpoint string   // where peers reach this node, such as "tcp://192.168.1.7:49152"
	Groups   []string // all groups that the node is in
	Status   uint8    // the node's count of joins and leaves so far, modulo 256
	Name     string
	Headers  []OutHeader // sent in this order
}

// OutHeader is a header to send.
type OutHeader struct {
	Name, Value string
}

// Check checks whether AppendHello would accept h. The error is a *[StringError] for
// text that must not be sent, or an [ErrLimit] for a HELLO that a receiver with the
// same limits refuses.
func (h *OutHello) Check(limits Limits) error {
	limits = limits.orDefaults()
	if len(h.Groups) > limits.Groups {
		return overLimit(Hello, "%d groups, limit %d", len(h.Groups), limits.Groups)
	}
	if len(h.Headers) > limits.Headers {
		return overLimit(Hello, "%d headers, limit %d", len(h.Headers), limits.Headers)
	}
	if err := CheckEndpoint(h.Endpoint); err != nil {
		return err
	}
	for _, group := range h.Groups {
		if err := CheckGroup(group); err != nil {
			return err
		}
	}
	if err := CheckName(h.Name); err != nil {
		return err
	}
	seen := make(map[string]bool, len(h.Headers))
	for _, header := range h.Headers {
		if err := CheckHeader(header.Name, header.Value, limits); err != nil {
			return err
		}
		if seen[header.Name] {
			return &StringError{Field: "header name", Value: header.Name, Reason: ErrTwice}
		}
		seen[header.Name] = true
	}
	if size := h.size(); size > int64(limits.Hello) {
		return overLimit(Hello, "%d bytes, limit %d; use fewer or shorter groups and headers", size, limits.Hello)
	}
	return nil
}

// size is the length of the header frame in octets.
func (h *OutHello) size() int64 {
	size := int64(prefixSize + 1 + len(h.Endpoint) + 4 + 1 + 1 + len(h.Name) + 4)
	for _, group := range h.Groups {
		size += int64(minGroup + len(group))
	}
	for _, header := range h.Headers {
		size += int64(minHeader + len(header.Name) + len(header.Value))
	}
	return size
}

// AppendHello appends a HELLO to dst. RFC 36 requires sequence 1. The errors are those
// of [OutHello.Check]; then dst is returned unchanged.
func AppendHello(dst []byte, sequence uint16, h *OutHello, limits Limits) ([]byte, error) {
	if err := h.Check(limits); err != nil {
		return dst, err
	}
	dst = slices.Grow(dst, int(h.size()))
	dst = appendPrefix(dst, Hello, sequence)
	dst = appendString(dst, h.Endpoint)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(h.Groups)))
	for _, group := range h.Groups {
		dst = appendLongstr(dst, group)
	}
	dst = append(dst, h.Status)
	dst = appendString(dst, h.Name)
	return appendHeaders(dst, h.Headers), nil
}

// AppendHeaders appends a HEADERS (go-zre only): headers that replace those of the
// sender's HELLO. The errors are those of [OutHello.Check] for a HELLO with these
// headers and nothing else.
func AppendHeaders(dst []byte, sequence uint16, headers []OutHeader, limits Limits) ([]byte, error) {
	h := OutHello{Endpoint: "-", Headers: headers}
	if err := h.Check(limits); err != nil {
		return dst, err
	}
	return appendHeaders(appendPrefix(slices.Grow(dst, int(h.size())), Headers, sequence), headers), nil
}

// appendHeaders needs headers that were checked.
func appendHeaders(dst []byte, headers []OutHeader) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(headers)))
	for _, header := range headers {
		dst = appendString(dst, header.Name)
		dst = appendLongstr(dst, header.Value)
	}
	return dst
}
