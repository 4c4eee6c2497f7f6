package beacon

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Without netlink, which a sandbox may forbid (systemd's RestrictAddressFamilies=, Android apps), interfaces are listed as on older
// systems: IPv4 addresses and flags by ioctl(2), see netdevice(7), names and IPv6 addresses from /proc/net. This does not show which IPv4
// addresses are tentative, alternative names, and which interfaces are ports of a bridge.

// An ifreq is struct ifreq: a name, and the value asked for. SIOCGIFCONF and the calls that read an address are not in package unix.
type ifreq struct {
	name  [unix.IFNAMSIZ]byte
	value [24]byte // 16 octets of struct sockaddr_in, a number, or flags; 24 is the size of the union's largest member
}

// sizeofIfreq is the size that the system uses: 40 on 64-bit machines, 32 on others.
const sizeofIfreq = unix.IFNAMSIZ + 16 + 8*(^uintptr(0)>>63)

type ifconf struct {
	length int32
	buffer unsafe.Pointer
}

// ioctlInterfaces lists the machine's interfaces without netlink.
func ioctlInterfaces() ([]Interface, error) {
	fd, err := anySocket()
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	l := &lister{fd: fd}
	_ = l.forEachLine("/proc/net/dev", l.addNamed)
	err4 := l.addresses4()
	err6 := l.forEachLine("/proc/net/if_inet6", l.address6)
	if err4 != nil && err6 != nil {
		return nil, errors.Join(err4, err6)
	}
	slices.SortFunc(l.list, func(a, b Interface) int { return a.Index - b.Index })
	return l.list, nil
}

// anySocket opens a socket for the calls, of either family.
func anySocket() (fd int, err error) {
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		if fd, err = unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err == nil {
			return fd, nil
		}
	}
	return -1, err
}

// A lister collects interfaces.
type lister struct {
	fd   int
	list []Interface
}

// ask makes a call that reads a property of an interface, or of its address in r.
func (l *lister) ask(call uintptr, r *ifreq) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(l.fd), call, uintptr(unsafe.Pointer(r)))
	if errno != 0 {
		return errno
	}
	return nil
}

// named returns the interface of a name, with flags and index, or nil if there is none. Old-style names, eth0:1, belong to addresses.
func (l *lister) named(name string) *Interface {
	name, _, _ = strings.Cut(name, ":")
	if at := slices.IndexFunc(l.list, func(i Interface) bool { return i.Name == name }); at >= 0 {
		return &l.list[at]
	}
	var index, flags ifreq
	copy(index.name[:unix.IFNAMSIZ-1], name)
	flags.name = index.name
	if name == "" || l.ask(unix.SIOCGIFINDEX, &index) != nil || l.ask(unix.SIOCGIFFLAGS, &flags) != nil {
		return nil
	}
	l.list = append(l.list, Interface{
		nameless: true, // it asks by netlink
		Name:     name,
		Index:    int(int32(binary.NativeEndian.Uint32(index.value[:]))),
		Flags:    linkFlags(uint32(binary.NativeEndian.Uint16(flags.value[:]))),
	})
	return &l.list[len(l.list)-1]
}

// addresses4 adds the IPv4 addresses.
func (l *lister) addresses4() error {
	for room := 64; ; room *= 4 { // the system fills the buffer, and does not say whether it was too small
		buffer := make([]byte, room*int(sizeofIfreq))
		conf := ifconf{int32(len(buffer)), unsafe.Pointer(&buffer[0])}
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(l.fd), unix.SIOCGIFCONF, uintptr(unsafe.Pointer(&conf))); errno != 0 {
			return errno
		}
		if int(conf.length) > len(buffer)-int(sizeofIfreq) && room < 1<<16 {
			continue
		}
		for entry := range slices.Chunk(buffer[:conf.length], int(sizeofIfreq)) {
			var r ifreq
			copy(r.name[:], entry[:unix.IFNAMSIZ])
			copy(r.value[:], entry[unix.IFNAMSIZ:])
			l.address4(r)
		}
		return nil
	}
}

// address4 adds an IPv4 address, with its mask and its broadcast address, which the system returns for the address in the request.
func (l *lister) address4(r ifreq) {
	i, addr := l.named(unix.ByteSliceToString(r.name[:])), addrOf(r)
	if i == nil || binary.NativeEndian.Uint16(r.value[:]) != unix.AF_INET {
		return
	}
	mask := r
	if l.ask(unix.SIOCGIFNETMASK, &mask) != nil {
		return
	}
	bits := 0
	for _, octet := range addrOf(mask).As4() {
		for ; octet&0x80 != 0; octet <<= 1 {
			bits++
		}
	}
	i.add(netip.PrefixFrom(addr, bits), l.broadcast(*i, r))
}

// broadcast returns the broadcast address that is configured for an address, nil if there is none.
func (l *lister) broadcast(i Interface, r ifreq) []byte {
	if i.Flags&net.FlagBroadcast == 0 || l.ask(unix.SIOCGIFBRDADDR, &r) != nil {
		return nil
	}
	return r.value[4:8]
}

// addrOf returns the IPv4 address in a struct sockaddr_in.
func addrOf(r ifreq) netip.Addr { return netip.AddrFrom4([4]byte(r.value[4:8])) }

// forEachLine reads a file of /proc/net line by line.
func (l *lister) forEachLine(name string, line func(string)) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	for lines := bufio.NewScanner(io.LimitReader(f, 1<<20)); lines.Scan(); {
		line(lines.Text())
	}
	return nil
}

// addNamed adds the interface of a line of /proc/net/dev, such as "  eth0: 1234 …". The two heading lines name none.
func (l *lister) addNamed(line string) {
	if name, _, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
		l.named(name)
	}
}

// address6 adds the address of a line of /proc/net/if_inet6: 32 hex digits, then in hex the index, the length of the prefix, the scope and
// the flags, then the name.
func (l *lister) address6(line string) {
	fields := strings.Fields(line)
	if len(fields) < 6 {
		return
	}
	octets, err := hex.DecodeString(fields[0])
	bits, err2 := strconv.ParseUint(fields[2], 16, 8)
	flags, err3 := strconv.ParseUint(fields[4], 16, 32)
	addr, ok := netip.AddrFromSlice(octets)
	if err != nil || err2 != nil || err3 != nil || !ok || !addr.Is6() || isTentative(byte(flags)) {
		return
	}
	if i := l.named(fields[5]); i != nil {
		i.Addrs = append(i.Addrs, netip.PrefixFrom(addr, int(bits)))
	}
}
