package testbed

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Host is a machine of a LAN: a network namespace with lo and one Ethernet interface, which has an IPv4 address and, if the kernel has
// IPv6, a link-local IPv6 address. It shares the file system with all the others.
type Host struct {
	Name      string
	Addr      netip.Addr
	Interface string // the host's own name for it

	t         testing.TB
	namespace string
	bridge    string
	port      string // the bridge's end of the cable
	prefix    netip.Prefix
	wire      *Wire             // the cable, if it is a Wire
	legs      int               // further interfaces
	files     map[string]string // the host's own files in place of the machine's
	life      context.Context
}

// Host adds a machine to the network, with the next free address. It ends with the test.
func (l *LAN) Host(name string) *Host {
	l.t.Helper()
	h := l.host(name)
	l.t.Cleanup(func() { must(l.t, "link", "del", h.port) })
	must(l.t, "link", "add", h.port, "type", "veth", "peer", "name", h.Interface, "netns", h.namespace)
	h.connect()
	return h
}

// host makes a machine that has no Ethernet interface yet.
func (l *LAN) host(name string) *Host {
	l.t.Helper()
	addr := l.Address()
	octets := addr.Addr().As4()
	h := &Host{
		Name: name, Addr: addr.Addr(), Interface: "eth0",
		t: l.t, namespace: l.bridge + "-" + name, bridge: l.bridge,
		port: l.bridge + "-" + strconv.Itoa(int(octets[2])<<8|int(octets[3])), prefix: addr,
	}
	must(h.t, "netns", "add", h.namespace)
	life, end := context.WithCancel(context.Background())
	h.life = life
	h.t.Cleanup(func() {
		end()
		must(h.t, "netns", "del", h.namespace)
	})
	_ = h.setIPv6("default", "accept_dad", "0") // IPv6 addresses can be used at once; otherwise after a second or two
	return h
}

// connect connects the two ends of the cable and switches everything on.
func (h *Host) connect() {
	h.t.Helper()
	must(h.t, "link", "set", h.port, "master", h.bridge, "up")
	must(h.t, "-n", h.namespace, "link", "set", "lo", "up")
	h.AddAddress(h.prefix)
	must(h.t, "-n", h.namespace, "link", "set", h.Interface, "up")
}

// AddAddress gives the host's interface another address, of the LAN (see LAN.Address) or of any other subnet, of IPv4 or IPv6.
func (h *Host) AddAddress(address netip.Prefix) {
	h.t.Helper()
	args := []string{"-n", h.namespace, "addr", "add", address.String(), "dev", h.Interface}
	if address.Addr().Is4() {
		args = append(args, "broadcast", "+")
	}
	must(h.t, args...)
}

// NoIPv4 removes the IPv4 addresses of the host's interface.
func (h *Host) NoIPv4() {
	h.t.Helper()
	must(h.t, "-n", h.namespace, "-4", "addr", "flush", "dev", h.Interface)
}

// NoIPv6 keeps the host from having IPv6 addresses, also on lo, and removes those that it has.
func (h *Host) NoIPv6() {
	h.t.Helper()
	h.SetIPv6("all", "disable_ipv6", "1")
	h.SetIPv6("default", "disable_ipv6", "1")
}

// SetIPv6 changes one of the kernel's IPv6 settings on this host (ip-sysctl), for one interface, or for future ones ("default"). A kernel
// without IPv6 has none.
func (h *Host) SetIPv6(name, setting, value string) {
	h.t.Helper()
	if err := h.setIPv6(name, setting, value); err != nil && !errors.Is(err, fs.ErrNotExist) {
		Missing(h.t, "a writable /proc/sys/net: %v", err)
	}
}

func (h *Host) setIPv6(name, setting, value string) error {
	return h.Do(func() error {
		return os.WriteFile(filepath.Join("/proc/sys/net/ipv6/conf", name, setting), []byte(value), 0)
	})
}

// LinkLocal returns the automatic IPv6 address of the host's interface, without a zone. The kernel assigns it soon after the cable is in.
func (h *Host) LinkLocal() netip.Addr {
	h.t.Helper()
	if _, err := os.Stat("/proc/sys/net/ipv6"); err != nil {
		Missing(h.t, "a kernel with IPv6 (%v)", err)
	}
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for deadline := time.After(Patience); ; {
		addr, err := h.linkLocal()
		if err == nil && addr.IsValid() {
			return addr
		}
		select {
		case <-again.C:
		case <-deadline:
			h.t.Fatalf("testbed: %s has no link-local address: %v", h.Name, err)
		}
	}
}

// AwaitCarrier waits until the kernel reports that the host's cable is in, which may take it a second after both ends are up.
func (h *Host) AwaitCarrier() {
	h.t.Helper()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for deadline := time.After(Patience); ; {
		running := false
		err := h.Do(func() error {
			i, err := net.InterfaceByName(h.Interface)
			running = err == nil && i.Flags&net.FlagRunning != 0
			return err
		})
		if running {
			return
		}
		select {
		case <-again.C:
		case <-deadline:
			h.t.Fatalf("testbed: %s has no carrier: %v", h.Name, err)
		}
	}
}

func (h *Host) linkLocal() (addr netip.Addr, err error) {
	err = h.Do(func() error {
		i, err := net.InterfaceByName(h.Interface)
		if err != nil {
			return err
		}
		addrs, err := i.Addrs()
		for _, a := range addrs {
			p, err := netip.ParsePrefix(a.String())
			if err == nil && p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() {
				addr = p.Addr()
			}
		}
		return err
	})
	return addr, err
}

// Readdress replaces the host's first address by another, as a DHCP server may. Addr is the new one.
func (h *Host) Readdress(address netip.Prefix) {
	h.t.Helper()
	must(h.t, "-n", h.namespace, "addr", "del", h.prefix.String(), "dev", h.Interface)
	h.AddAddress(address)
	h.prefix, h.Addr = address, address.Addr()
}

// Command is exec.Command for a program that runs on this host, in its own process group. The group is killed when the test ends, and the
// program when the test process dies.
func (h *Host) Command(name string, args ...string) *exec.Cmd {
	tool, err := ipTool()
	if err != nil {
		h.t.Fatalf("testbed: %v", err)
	}
	line := []string{"netns", "exec", h.namespace}
	for path, own := range h.files { // ip netns exec has made mounts its own
		line = append(line, "sh", "-c", `mount --bind "$0" "$1" && shift && exec "$@"`, own, path)
	}
	cmd := exec.CommandContext(h.life, tool, append(append(line, name), args...)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+filepath.Join(scratch, "tmp"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // and its children
	return cmd
}

// SetFile gives the host its own file in place of one of the machine, such as /etc/hosts or /etc/resolv.conf. Commands that start from now
// on see it, with its current content: it may be changed.
func (h *Host) SetFile(path, content string) {
	h.t.Helper()
	if h.files == nil {
		h.files = make(map[string]string)
	}
	own := filepath.Join(scratch, h.namespace+strings.ReplaceAll(path, "/", "-"))
	if err := os.WriteFile(own, []byte(content), 0o644); err != nil {
		h.t.Fatalf("testbed: %v", err)
	}
	h.files[path] = own
}

// Do calls f in this host's network namespace, so that the sockets that f itself opens belong to the host, for as long as they live.
// Goroutines that f starts are outside of it again.
func (h *Host) Do(f func() error) (err error) {
	// The thread must come back alive: a child process dies with the thread that started it, see Command.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer home.Close()
	away, err := os.Open(filepath.Join("/run/netns", h.namespace))
	if err != nil {
		return err
	}
	defer away.Close()
	if err := unix.Setns(int(away.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("testbed: entering %s: %w", h.namespace, err)
	}
	defer func() {
		if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
			panic(fmt.Sprintf("testbed: leaving %s: %v", h.namespace, err))
		}
	}()
	return f()
}

// Link switches the host's interface on or off, as its administrator would. Addresses stay.
func (h *Host) Link(up bool) {
	h.t.Helper()
	must(h.t, "-n", h.namespace, "link", "set", h.Interface, upDown(up))
}

// Cable plugs the host's cable in or pulls it out: its interface stays up but loses the carrier.
func (h *Host) Cable(in bool) {
	h.t.Helper()
	if h.wire == nil {
		must(h.t, "link", "set", h.port, upDown(in))
	} else if err := h.wire.host.carrier(in); err != nil {
		h.t.Fatalf("testbed: carrier of %s: %v", h.Name, err)
	}
}

func upDown(up bool) string {
	if up {
		return "up"
	}
	return "down"
}
