package beacon

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path"
	"slices"
	"strings"
)

// A choice says which interfaces and addresses an agent may use: the parsed Config.Interfaces.
type choice struct{ include, exclude []pattern }

// A pattern is one entry of Config.Interfaces without its "!".
type pattern struct {
	text   string
	prefix netip.Prefix // of an address or a CIDR; invalid for a name or a glob
	zone   string       // of an address: the name of its interface, or "" for any
	single bool         // a name or an address, which counts as missing if it does not exist; otherwise a glob or a CIDR
}

// parseChoice parses a list of entries; the first malformed one is an error.
func parseChoice(entries []string) (choice, error) {
	var c choice
	for _, entry := range entries {
		text, excluded := strings.CutPrefix(entry, "!")
		p, err := parsePattern(text)
		switch {
		case err != nil:
			return choice{}, fmt.Errorf("beacon: Interfaces: %q: %w", entry, err)
		case excluded:
			c.exclude = append(c.exclude, p)
		default:
			c.include = append(c.include, p)
		}
	}
	return c, nil
}

func parsePattern(text string) (pattern, error) {
	p := pattern{text: text, single: true}
	if addr, err := netip.ParseAddr(text); err == nil {
		p.prefix, p.zone = netip.PrefixFrom(addr, addr.BitLen()), addr.Zone()
	} else if strings.Contains(text, "/") { // no name contains one
		if p.prefix, err = netip.ParsePrefix(text); err != nil {
			return p, errors.New(`not a CIDR, want one such as "192.168.0.0/16"`)
		}
		p.single = false
	} else if strings.ContainsAny(text, `*?[\`) {
		if _, err := path.Match(text, ""); err != nil {
			return p, errors.New(`not a glob: *, ?, [a-z] and \ mean what they mean to Go's path.Match`)
		}
		p.single = false
	}
	switch {
	case text == "":
		return p, errors.New("empty, want a name, an address, a CIDR or a glob")
	case p.single && !p.prefix.IsValid() && (strings.Trim(text, "0123456789.") == "" || strings.Contains(text, ":")):
		return p, errors.New(`neither a name nor an address, want one such as "eth0", "192.168.1.7" or "fe80::1%eth0"`)
	case p.prefix.Addr().Is4In6():
		return p, errors.New(`IPv4 in IPv6 form, want one such as "192.168.1.7" or "192.168.0.0/16"`)
	}
	return p, nil
}

// matches tells whether the pattern means that address of that interface.
func (p pattern) matches(i Interface, addr netip.Addr) bool {
	if p.prefix.IsValid() {
		return p.prefix.Contains(addr) && (p.zone == "" || i.hasName(func(name string) bool { return name == p.zone }))
	}
	return i.hasName(p.fits)
}

// fits tells whether the pattern, a name or a glob, means that name.
func (p pattern) fits(name string) bool {
	if p.text == name {
		return true
	}
	ok, _ := path.Match(p.text, name) // parsePattern would have returned the error
	return ok && !p.single
}

// exists tells whether anything that the pattern means exists, even if it is down.
func (p pattern) exists(all []Interface) bool {
	return slices.ContainsFunc(all, func(i Interface) bool {
		return i.hasName(p.fits) || slices.ContainsFunc(i.Addrs, func(a netip.Prefix) bool { return p.matches(i, a.Addr()) })
	})
}

// isFamily tells whether the pattern means all addresses of a family.
func (p pattern) isFamily() bool { return p.prefix.IsValid() && p.prefix.Bits() == 0 }

// pick returns the addresses of an interface that may be used, whether any was chosen by its own name or address, and, if there is none,
// why. IPv6 addresses are usable only with multicast, which loopback does not have for IPv6.
func (c choice) pick(i Interface) (addrs []netip.Prefix, named bool, reason Reason) {
	reason = ReasonNoAddress
	left, lost := 0, 0 // of those that belong to a network beyond the link
	for _, a := range i.Addrs {
		if is6(a) && (i.Flags&net.FlagMulticast == 0 || i.Flags&net.FlagLoopback != 0) {
			continue
		}
		means := func(p pattern) bool { return p.matches(i, a.Addr()) }
		if at := slices.IndexFunc(c.exclude, means); at >= 0 {
			if !isLinkLocal6(a) && !c.exclude[at].isFamily() {
				lost++
			}
			reason = max(reason, ReasonExcluded)
			continue
		}
		if !isLinkLocal6(a) {
			left++
		}
		if len(c.include) > 0 && !slices.ContainsFunc(c.include, means) {
			reason = max(reason, ReasonNotChosen)
			continue
		}
		addrs = append(addrs, a)
		named = named || slices.ContainsFunc(c.include, func(p pattern) bool { return p.single && means(p) })
	}
	if lost > 0 && left == 0 { // an entry that excludes a network means its link, too
		addrs = slices.DeleteFunc(addrs, isLinkLocal6)
	}
	if len(addrs) > 0 {
		reason = ReasonUsed
	}
	return addrs, named && len(addrs) > 0, reason
}

func isLinkLocal6(p netip.Prefix) bool { return p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() }
