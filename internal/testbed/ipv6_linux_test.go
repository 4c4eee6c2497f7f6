package testbed

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"testing"
	"time"
)

// Hosts reach each other by their link-local addresses as soon as they are made, and by those that they are given.
func TestIPv6(t *testing.T) {
	lan := NewLAN(t, "")
	alice, bob := lan.Host("alice"), lan.Host("bob")
	bob.AddAddress(netip.MustParsePrefix("fd77::2/64"))
	alice.AddAddress(netip.MustParsePrefix("fd77::1/64"))
	alice.NoIPv4()
	// The zone is a number: package net remembers the names of interfaces for a minute, whatever namespace it met them in.
	var index int
	err := alice.Do(func() error {
		i, err := net.InterfaceByName(alice.Interface)
		if err == nil {
			index = i.Index
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{bob.LinkLocal().WithZone(strconv.Itoa(index)).String(), "fd77::2"} {
		var server net.PacketConn
		err := bob.Do(func() (err error) {
			server, err = net.ListenPacket("udp6", "[::]:0")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		var client net.Conn
		err = alice.Do(func() (err error) {
			client, err = net.Dial("udp6", fmt.Sprintf("[%s]:%d", to, server.LocalAddr().(*net.UDPAddr).Port))
			return err
		})
		if err != nil {
			t.Fatalf("to %s: %v", to, err)
		}
		defer client.Close()
		if _, err := client.Write([]byte(to)); err != nil {
			t.Errorf("to %s: %v", to, err)
		}
		_ = server.SetReadDeadline(time.Now().Add(Patience))
		if n, _, err := server.ReadFrom(make([]byte, 100)); err != nil || n != len(to) {
			t.Errorf("bob got %d octets, %v; want %d", n, err, len(to))
		}
	}
	bob.NoIPv6()
	err = bob.Do(func() error {
		conn, err := net.Dial("udp6", "[fd77::1]:1")
		if err == nil {
			conn.Close()
			t.Error("bob still has IPv6")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
