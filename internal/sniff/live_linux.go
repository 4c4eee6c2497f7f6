package sniff

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"golang.org/x/net/bpf"
)

// live is an interface of this machine.
type live struct {
	*pcapgo.EthernetHandle
	linkType layers.LinkType
}

func (l live) LinkType() layers.LinkType { return l.linkType }

// Interface reads what passes through an interface of this machine, until ctx ends. It needs root, or CAP_NET_RAW.
func (s *Sniffer) Interface(ctx context.Context, name string) error {
	card, err := net.InterfaceByName(name)
	if err != nil {
		return fmt.Errorf("there is no interface %q", name)
	}
	handle, err := pcapgo.NewEthernetHandle(name)
	if err != nil && strings.Contains(err.Error(), syscall.EPERM.Error()) { // the library keeps no more of the cause
		return fmt.Errorf("interface %s: only root, or a program with CAP_NET_RAW, may capture packets", name)
	}
	if err != nil {
		return fmt.Errorf("interface %s: %w", name, err)
	}
	stop := context.AfterFunc(ctx, func() { handle.Close() })
	defer func() {
		if stop() {
			handle.Close()
		}
	}()
	if card.Flags&net.FlagLoopback != 0 {
		if err := onceEach(handle); err != nil {
			return fmt.Errorf("interface %s: %w", name, err)
		}
	}
	if err := s.read(ctx, live{handle, linkType(name)}); err != nil {
		return fmt.Errorf("interface %s: %w", name, err)
	}
	return nil
}

// onceEach makes the packets of loopback come once: as they arrive, and not also as they leave.
func onceEach(handle *pcapgo.EthernetHandle) error {
	const outgoing = 4 // PACKET_OUTGOING
	filter, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: outgoing, SkipTrue: 1},
		bpf.RetConstant{Val: 256 << 10},
		bpf.RetConstant{Val: 0},
	})
	if err != nil {
		return err
	}
	return handle.SetBPF(filter)
}

// linkType distinguishes interfaces without Ethernet headers, such as tunnels, from others.
func linkType(name string) layers.LinkType {
	const none, tunnel, tunnel6, rawIP = 0xFFFE, 768, 769, 519 // ARPHRD_…
	text, err := os.ReadFile("/sys/class/net/" + name + "/type")
	if err == nil {
		switch kind, _ := strconv.Atoi(strings.TrimSpace(string(text))); kind {
		case none, tunnel, tunnel6, rawIP:
			return layers.LinkTypeRaw
		}
	}
	return layers.LinkTypeEthernet
}
