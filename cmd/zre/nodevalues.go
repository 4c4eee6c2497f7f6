package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
)

// text wraps an option that the library parses.
func text(option func(string) zre.Option) func(string) (zre.Option, error) {
	return func(s string) (zre.Option, error) {
		if s == "" {
			return nil, errors.New("want a value; leave the option out for its default")
		}
		return option(s), nil
	}
}

// withName accepts an empty name.
func withName(s string) (zre.Option, error) {
	switch {
	case len(s) > 255:
		return nil, fmt.Errorf("a name has 255 bytes at most, not %d", len(s))
	case !utf8.ValidString(s):
		return nil, errors.New("a name is text in UTF-8")
	}
	return zre.WithName(s), nil
}

func number(option func(int) zre.Option, least, most int) func(string) (zre.Option, error) {
	return func(s string) (zre.Option, error) {
		n, err := strconv.Atoi(s)
		if err != nil || n < least || n > most {
			return nil, fmt.Errorf("want %d to %d", least, most)
		}
		return option(n), nil
	}
}

func duration(option func(time.Duration) zre.Option) func(string) (zre.Option, error) {
	return func(s string) (zre.Option, error) {
		d, err := parseDuration(s)
		return option(d), err
	}
}

func onOff(option func() zre.Option) func(string) (zre.Option, error) {
	return func(s string) (zre.Option, error) {
		on, err := parseSwitch(s)
		if !on {
			return nil, err
		}
		return option(), nil
	}
}

func withUUID(s string) (zre.Option, error) {
	id, err := uuid.Parse(s)
	if err != nil {
		return nil, errors.New("want a UUID, such as 01234567-89ab-cdef-0123-456789abcdef")
	}
	return zre.WithUUID(id), nil
}

func withHeader(s string) (zre.Option, error) {
	name, value, ok := strings.Cut(s, "=")
	if !ok {
		return nil, errors.New("want NAME=VALUE")
	}
	return zre.WithHeader(name, value), nil
}

func withPeer(s string) (zre.Option, error) {
	endpoint, _, _ := strings.Cut(s, "|") // a public key may follow
	if _, _, err := net.SplitHostPort(strings.TrimPrefix(endpoint, "tcp://")); err != nil || !strings.HasPrefix(s, "tcp://") {
		return nil, errors.New("want tcp://HOST:PORT, such as tcp://robot.example:5671")
	}
	return zre.WithPeers(s), nil
}

func withGroupAddress(s string) (zre.Option, error) {
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return nil, errors.New("want a multicast address, such as 239.255.90.82")
	}
	return zre.WithMulticastGroup(addr), nil
}

func withTransport(s string) (zre.Option, error) {
	switch s {
	case "tcp", "ipc", "inproc":
		return zre.WithTransports("tcp", s), nil
	}
	return nil, errors.New("choose tcp, ipc or inproc")
}

func parseDuration(s string) (time.Duration, error) {
	if n, err := strconv.Atoi(s); err == nil {
		return time.Duration(n) * time.Millisecond, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, errors.New("want a time such as 500ms or 2s, or a number of milliseconds")
	}
	return d, nil
}

func parseSwitch(s string) (bool, error) {
	on, err := strconv.ParseBool(s)
	if err != nil {
		return false, errors.New("want true or false")
	}
	return on, nil
}
