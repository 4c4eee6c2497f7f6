package zmtp

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// Property names that RFC 23 defines. Case does not matter in names.
const (
	propSocketType = "Socket-Type"
	propIdentity   = "Identity"
)

const maxIdentity = 255 // octets, RFC 23

// metadata is a READY command's list of properties (RFC 23, metadata). A slice, as there are two or three.
type metadata []property

type property struct{ name, value string }

// get returns the value of the property of that name, in any case, or "".
func (m metadata) get(name string) string {
	for _, p := range m {
		if strings.EqualFold(p.name, name) {
			return p.value
		}
	}
	return ""
}

// newMetadata returns what a socket of that type sends to its peer.
func newMetadata(socketType string, cfg Config) (metadata, error) {
	if len(cfg.Identity) > maxIdentity {
		return nil, fmt.Errorf("zmtp: an identity has at most %d bytes, this one %d", maxIdentity, len(cfg.Identity))
	}
	m := metadata{{propSocketType, socketType}, {propIdentity, string(cfg.Identity)}}
	names := make([]string, 0, 4)
	for name := range cfg.Properties {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if len(name) > 255 || !isName(name) || !strings.HasPrefix(strings.ToUpper(name), "X-") {
			return nil, fmt.Errorf("zmtp: property name %q must start with X- and have at most 255 of A-Z a-z 0-9 - _ . +", name)
		}
		if slices.ContainsFunc(m, func(p property) bool { return strings.EqualFold(p.name, name) }) {
			return nil, fmt.Errorf("zmtp: property %q is given twice in different case", name)
		}
		m = append(m, property{name, cfg.Properties[name]})
	}
	if size := int64(m.size() + cfg.commandOverhead()); size > cfg.Limits.CommandSize {
		return nil, fmt.Errorf("zmtp: READY or INITIATE would have %d bytes, the limit is %d: use fewer or shorter properties",
			size, cfg.Limits.CommandSize)
	}
	return m, nil
}

// size is the length of encode's result.
func (m metadata) size() (size int) {
	for _, p := range m {
		size += 1 + len(p.name) + 4 + len(p.value)
	}
	return size
}

func (m metadata) encode() []byte {
	b := make([]byte, 0, m.size())
	for _, p := range m {
		b = append(b, byte(len(p.name)))
		b = append(b, p.name...)
		b = binary.BigEndian.AppendUint32(b, uint32(len(p.value)))
		b = append(b, p.value...)
	}
	return b
}

// parseMetadata reads what a peer sent, strictly: nothing truncated, no name that is empty, ill-formed or repeated.
func parseMetadata(b []byte) (metadata, error) {
	m := make(metadata, 0, 3) // our nodes have three
	for len(b) > 0 {
		n := int(b[0])
		b = b[1:]
		if n == 0 || n > len(b) {
			return nil, violation("metadata: property name of %d bytes where %d are left", n, len(b))
		}
		name := intern(b[:n])
		b = b[n:]
		if !isName(name) {
			return nil, violation("metadata: property name %q", name)
		}
		if len(b) < 4 {
			return nil, violation("metadata: truncated after property name %q", name)
		}
		size := binary.BigEndian.Uint32(b)
		b = b[4:]
		if uint64(size) > uint64(len(b)) {
			return nil, violation("metadata: property %s of %d bytes where %d are left", name, size, len(b))
		}
		if slices.ContainsFunc(m, func(p property) bool { return strings.EqualFold(p.name, name) }) {
			return nil, violation("metadata: property %s is there twice", name)
		}
		m = append(m, property{name, intern(b[:size])})
		b = b[size:]
	}
	return m, nil
}

// intern returns the octets as a string; the strings that every READY has take no memory.
func intern(b []byte) string {
	for _, s := range [...]string{propSocketType, propIdentity, "DEALER", "ROUTER"} {
		if string(b) == s {
			return s
		}
	}
	return string(b)
}

// isName tells whether s is made of RFC 23's name-char.
func isName(s string) bool {
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-', c == '_', c == '.', c == '+':
		default:
			return false
		}
	}
	return s != ""
}
