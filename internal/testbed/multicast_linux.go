package testbed

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Options of the socket that configures Linux's multicast routing (linux/mroute.h).
const (
	mrtInit           = 200
	mrtAddVif         = 202
	mrtAddMfc         = 204
	vifIsInterface    = 8
	leastTTL          = 1 // less is not forwarded
	sizeofVif         = 16
	sizeofMfc, atTTLs = 60, 10
)

// RouteMulticast makes the router forward what a host sends to a multicast group, from one network to another, for the rest of the test.
// One more hop is counted; a datagram at its last hop stays.
func (r *Router) RouteMulticast(group netip.Addr, sources ...*Host) {
	r.t.Helper()
	err := r.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_IGMP)
		if err != nil {
			return err
		}
		r.t.Cleanup(func() { unix.Close(fd) })
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, mrtInit, 1); err != nil {
			return err
		}
		for number, leg := range r.Legs {
			i, err := net.InterfaceByName(leg.Interface)
			if err != nil {
				return err
			}
			vif := make([]byte, sizeofVif)
			binary.NativeEndian.PutUint16(vif, uint16(number))
			vif[2], vif[3] = vifIsInterface, leastTTL
			binary.NativeEndian.PutUint32(vif[8:], uint32(i.Index))
			if err := unix.SetsockoptString(fd, unix.IPPROTO_IP, mrtAddVif, string(vif)); err != nil {
				return err
			}
		}
		for _, source := range sources {
			mfc := make([]byte, sizeofMfc)
			copy(mfc, source.Addr.AsSlice())
			copy(mfc[4:], group.AsSlice())
			for number, leg := range r.Legs {
				if leg.LAN.bridge == source.bridge {
					binary.NativeEndian.PutUint16(mfc[8:], uint16(number))
				} else {
					mfc[atTTLs+number] = leastTTL
				}
			}
			if err := unix.SetsockoptString(fd, unix.IPPROTO_IP, mrtAddMfc, string(mfc)); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, unix.ENOPROTOOPT) {
		Missing(r.t, "a kernel that routes multicast")
	}
	if err != nil {
		r.t.Fatalf("testbed: routing of multicast by %s: %v", r.Name, err)
	}
}
