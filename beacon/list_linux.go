package beacon

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// systemInterfaces lists the machine's interfaces: by netlink, otherwise by what a sandbox allows.
func systemInterfaces() ([]Interface, error) {
	list, err := netlinkInterfaces()
	if err != nil && isForbidden(err) {
		if list, err2 := ioctlInterfaces(); err2 == nil {
			return list, nil
		}
	}
	return list, err
}

// isForbidden tells whether err says that a sandbox allows no netlink, rather than that the system lacks a resource.
func isForbidden(err error) bool {
	for _, errno := range []syscall.Errno{unix.EAFNOSUPPORT, unix.EACCES, unix.EPERM, unix.EPROTONOSUPPORT, unix.EINVAL, unix.ENOSYS} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// netlinkInterfaces lists the machine's interfaces by netlink. Package net asks the system once for each of them, and does not say which
// addresses are usable; this asks twice for all (rtnetlink(7)).
func netlinkInterfaces() ([]Interface, error) {
	var list []Interface
	at := make(map[int]int)     // in the list, by index
	ports := make(map[int]bool) // of a bridge or the like, by index
	err := dump(unix.RTM_GETLINK, unix.RTM_NEWLINK, unix.SizeofIfInfomsg, func(header, attributes []byte) {
		i := Interface{
			Index: int(int32(binary.NativeEndian.Uint32(header[4:]))),
			Name:  unix.ByteSliceToString(attribute(attributes, unix.IFLA_IFNAME)),
			Flags: linkFlags(binary.NativeEndian.Uint32(header[8:])),
		}
		for name := range values(attribute(attributes, unix.IFLA_PROP_LIST), unix.IFLA_ALT_IFNAME) {
			i.AltNames = append(i.AltNames, unix.ByteSliceToString(name))
		}
		i.life = removed.count(i.Index)
		at[i.Index] = len(list)
		info := attribute(attributes, unix.IFLA_LINKINFO)
		i.virtual = attribute(info, unix.IFLA_INFO_KIND) != nil || i.Flags&net.FlagLoopback != 0
		ports[i.Index] = isPort(info)
		list = append(list, i)
	})
	if err != nil {
		return nil, fmt.Errorf("beacon: listing the network interfaces: %w", err)
	}
	err = dump(unix.RTM_GETADDR, unix.RTM_NEWADDR, unix.SizeofIfAddrmsg, func(header, attributes []byte) {
		bits, flags, index := int(header[1]), header[2], int(binary.NativeEndian.Uint32(header[4:]))
		own := attribute(attributes, unix.IFA_LOCAL) // otherwise IFA_ADDRESS is that of the far end
		if own == nil {
			own = attribute(attributes, unix.IFA_ADDRESS)
		}
		addr, ok := netip.AddrFromSlice(own)
		i, known := at[index]
		if !ok || !known {
			return
		}
		if addr.Is6() && (ports[index] || isTentative(flags)) {
			list[i].unusable = append(list[i].unusable, netip.PrefixFrom(addr, bits))
			return
		}
		list[i].add(netip.PrefixFrom(addr, bits), attribute(attributes, unix.IFA_BROADCAST))
	})
	if err != nil {
		return nil, fmt.Errorf("beacon: listing the addresses of the network interfaces: %w", err)
	}
	return list, nil
}

// add adds an address, with the broadcast address that is configured for it, if there is one.
func (i *Interface) add(p netip.Prefix, configured []byte) {
	i.Addrs = append(i.Addrs, p)
	b, ok := netip.AddrFromSlice(configured)
	if !ok || !b.Is4() || b.IsUnspecified() || b == everySubnet || b == lastAddr(p) {
		return
	}
	if i.Broadcasts == nil {
		i.Broadcasts = make(map[netip.Prefix]netip.Addr)
	}
	i.Broadcasts[p] = b
}

// dump makes the kernel list something, and calls each for every message of the given kind, with its header of that size and its attributes.
func dump(question int, kind uint16, size int, each func(header, attributes []byte)) error {
	answer, err := syscall.NetlinkRIB(question, unix.AF_UNSPEC)
	if err != nil {
		return err
	}
	messages, err := syscall.ParseNetlinkMessage(answer)
	if err != nil {
		return err
	}
	for _, m := range messages {
		if m.Header.Type == kind && len(m.Data) >= size {
			each(m.Data[:size], m.Data[size:])
		}
	}
	return nil
}

// attribute returns the value of the first attribute of that kind in b, or nil.
func attribute(b []byte, kind uint16) []byte {
	for value := range values(b, kind) {
		return value
	}
	return nil
}

// values yields the values of the attributes of that kind in b. Each attribute has a length, a kind and a value, padded to four octets.
func values(b []byte, kind uint16) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for len(b) >= unix.SizeofRtAttr {
			length := int(binary.NativeEndian.Uint16(b))
			if length < unix.SizeofRtAttr || length > len(b) {
				return
			}
			if binary.NativeEndian.Uint16(b[2:])&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER) == kind && !yield(b[unix.SizeofRtAttr:length]) {
				return
			}
			b = b[min((length+unix.NLA_ALIGNTO-1)&^(unix.NLA_ALIGNTO-1), len(b)):]
		}
	}
}

// isPort tells whether an interface with this IFLA_LINKINFO is a port of a bridge, a bond or the like. The bridge receives what arrives
// there, so no host can answer to the port's own IPv6 address, which it has all the same. Only the interfaces of a VRF stay usable.
func isPort(info []byte) bool {
	kind := unix.ByteSliceToString(attribute(info, unix.IFLA_INFO_SLAVE_KIND))
	return kind != "" && kind != "vrf"
}

// isTentative tells whether these flags belong to an IPv6 address that cannot be used, because the system does not know yet whether another
// host has it, or knows that one does. An optimistic address may send meanwhile (RFC 4429).
func isTentative(flags byte) bool {
	return flags&unix.IFA_F_TENTATIVE != 0 && flags&unix.IFA_F_OPTIMISTIC == 0
}

// linkFlags translates the flags of an interface into package net's.
func linkFlags(raw uint32) (flags net.Flags) {
	for _, f := range []struct {
		raw  uint32
		flag net.Flags
	}{
		{unix.IFF_UP, net.FlagUp}, {unix.IFF_RUNNING, net.FlagRunning}, {unix.IFF_BROADCAST, net.FlagBroadcast},
		{unix.IFF_LOOPBACK, net.FlagLoopback}, {unix.IFF_POINTOPOINT, net.FlagPointToPoint}, {unix.IFF_MULTICAST, net.FlagMulticast},
	} {
		if raw&f.raw != 0 {
			flags |= f.flag
		}
	}
	return flags
}
