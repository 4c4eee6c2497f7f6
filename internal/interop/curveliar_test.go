//go:build linux

package interop

import (
	"bufio"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/cert"
	"github.com/go-zre/go-zre/internal/testbed"
)

// A forger is a peer on libzmq with its own certificate, which sends anything it likes (testdata/peers/curve_peer.py).
type forger struct{ heard chan string }

// startForger starts a liar that sends HELLO to a node, with the UUID id. header is its X-PUBLICKEY.
func (k *keyring) startForger(host *testbed.Host, node, id string, header ...string) *forger {
	k.t.Helper()
	args := []string{filepath.Join(testbed.Root(), "testdata", "peers", "curve_peer.py"), "--address", host.Addr.String(),
		"--cert", k.path("liar") + cert.SecretSuffix, "--node", node, "--uuid", id}
	for _, h := range header {
		args = append(args, "--header", h)
	}
	cmd := host.Command(testbed.Python(k.t), args...)
	stdin, err1 := cmd.StdinPipe()
	stdout, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil {
		k.t.Fatal(err1, err2)
	}
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	l := &forger{heard: make(chan string, 1000)}
	k.t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait() // then its channel is closed
	})
	go func() {
		defer close(l.heard)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			var e struct{ Event string }
			if json.Unmarshal(lines.Bytes(), &e) == nil {
				l.heard <- e.Event
			}
		}
	}()
	return l
}

// listen returns what happens to it within a while, or until the expected event.
func (l *forger) listen(d time.Duration, until string) (heard []string) {
	late := time.After(d)
	for {
		select {
		case e, ok := <-l.heard:
			if heard = append(heard, e); !ok || e == until {
				return heard
			}
		case <-late:
			return heard
		}
	}
}

// TestCurveLiar: a peer with a proven key must name the same one in its HELLO, and must not use another peer's UUID.
func TestCurveLiar(t *testing.T) {
	needsOptions(t)
	const within = 3 * time.Second
	for _, c := range []struct {
		name   string
		header func(k *keyring) []string
		enters bool
	}{
		{"the key that is proven", func(*keyring) []string { return nil }, true},
		{"another key", func(k *keyring) []string { return []string{k.public("theirs")} }, false},
		{"no key", func(*keyring) []string { return []string{""} }, false},
		{"no key at all", func(*keyring) []string { return []string{"#"} }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k, lan := newKeyring(t), testbed.NewLAN(t, "")
			a := k.ours(lan.Host("a"), "", "--listen", "tcp://*:"+mailboxPort)
			id := uuid.NewString()
			l := k.startForger(lan.Host("b"), endpointAt(a.Host, mailboxPort)+"|"+k.public("ours"), id, c.header(k)...)
			heard := l.listen(testbed.Patience, map[bool]string{true: "hello", false: "closed"}[c.enters])
			if got := slices.Contains(heard, "hello"); got != c.enters {
				t.Errorf("it saw %v", heard)
			}
			if !c.enters {
				l.listen(within, "")
			} else {
				a.Wait(t, "ENTER", func(e testbed.Event) bool {
					return e.Event == "enter" && e.Peer == id && e.PublicKey == k.public("liar")
				})
			}
			for _, e := range a.Events() {
				if e.Event == "enter" && !c.enters {
					t.Errorf("%s saw: %v", a, e)
				}
			}
		})
	}
	for _, kind := range []testbed.Kind{testbed.Zre, testbed.Zyre} {
		t.Run("the UUID of a peer, "+string(kind), func(t *testing.T) {
			t.Parallel()
			k, lan := newKeyring(t), testbed.NewLAN(t, "")
			a := k.ours(lan.Host("a"), "", "--listen", "tcp://*:"+mailboxPort)
			b := k.start(kind, lan.Host("b"))
			k.expectMet(a, b)
			l := k.startForger(lan.Host("c"), endpointAt(a.Host, mailboxPort)+"|"+k.public("ours"), strings.ReplaceAll(b.UUID, "-", ""))
			heard := l.listen(testbed.Patience, "closed")
			heard = append(heard, l.listen(within, "hello")...)
			if slices.Contains(heard, "hello") {
				t.Errorf("ours says HELLO to the liar, which saw %v", heard)
			}
			converse(t, a, b)
			a.Never(t, testbed.Event{}, last(a), "that the peer goes", func(e testbed.Event) bool { return e.Event == "exit" })
		})
	}
}

// start starts a node of ours or of C zyre that lets in any key, with the name theirs.
func (k *keyring) start(kind testbed.Kind, host *testbed.Host) *testbed.Peer {
	k.t.Helper()
	if kind == testbed.Zyre {
		return k.zyre(host, noZauth)
	}
	o := options("theirs")
	o.Args = []string{"--cert", k.path(o.Name) + cert.SecretSuffix}
	return testbed.Start(k.t, host, kind, o)
}
