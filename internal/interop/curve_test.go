//go:build linux

package interop

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-zre/go-zre/internal/cert"
	"github.com/go-zre/go-zre/internal/testbed"
	"github.com/go-zre/go-zre/internal/z85"
)

// How C zyre's zauth judges, by its option.
const (
	noZauth = ""  // not used: any key may enter
	anyKey  = "*" // any key may enter
)

// A keyring is the certificates of a test.
type keyring struct {
	t       *testing.T
	secrets string // a folder of certificates
	allowed string // a folder of public ones, for the node that authorizes
}

func newKeyring(t *testing.T) *keyring {
	t.Helper()
	k := &keyring{t: t, secrets: t.TempDir(), allowed: t.TempDir()}
	k.allow("another node") // a folder without certificates may be refused
	return k
}

// path returns where a node's certificate is, which is made the first time.
func (k *keyring) path(name string) string {
	k.t.Helper()
	path := filepath.Join(k.secrets, name)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	c, err := cert.New()
	if err == nil {
		err = c.Save(path)
	}
	if err != nil {
		k.t.Fatal(err)
	}
	return path
}

// public returns the node's public key as text.
func (k *keyring) public(name string) string {
	k.t.Helper()
	c, err := cert.LoadPublic(k.path(name))
	if err != nil {
		k.t.Fatal(err)
	}
	key := c.Public()
	return z85.Encode(key[:])
}

// allow puts the node's public certificate into the folder.
func (k *keyring) allow(name string) {
	k.t.Helper()
	text, err := os.ReadFile(k.path(name))
	if err == nil {
		err = os.WriteFile(filepath.Join(k.allowed, name), text, 0o600)
	}
	if err != nil {
		k.t.Fatal(err)
	}
}

// zyre starts a node of C zyre with CURVE, and with zauth unless that is noZauth.
func (k *keyring) zyre(host *testbed.Host, zauth string, args ...string) *testbed.Peer {
	k.t.Helper()
	return k.zyreNamed("theirs", host, zauth, args...)
}

func (k *keyring) zyreNamed(name string, host *testbed.Host, zauth string, args ...string) *testbed.Peer {
	k.t.Helper()
	o := options(name)
	o.Args = append([]string{"--cert", k.path(o.Name)}, args...)
	if zauth != noZauth {
		o.Args = append(o.Args, "--zauth", zauth)
	}
	return testbed.Start(k.t, host, testbed.Zyre, o)
}

// ours starts a node of ours with CURVE, which lets in any key unless folder names certificates.
func (k *keyring) ours(host *testbed.Host, folder string, args ...string) *testbed.Peer {
	k.t.Helper()
	needsCurve(k.t, host)
	o := options("ours")
	o.Args = append([]string{"--cert", k.path(o.Name) + cert.SecretSuffix}, args...)
	if ours == testbed.Zyre {
		o.Args[1] = k.path(o.Name)
	}
	if folder != "" {
		o.Args = append(o.Args, map[testbed.Kind]string{testbed.Zre: "--authorize", testbed.Zyre: "--zauth"}[ours], folder)
	}
	return testbed.Start(k.t, host, ours, o)
}

// needsCurve calls Missing if the node under test has no CURVE.
func needsCurve(t *testing.T, host *testbed.Host) {
	t.Helper()
	if ours == testbed.Zyre || ours == testbed.Zre && strings.Contains(testbed.Run(t, host, "pipe", "--help").Stdout, "--cert") {
		return
	}
	testbed.Missing(t, "CURVE in %s", ours)
}

// expectMet waits until two nodes with CURVE have met, and know each other's keys.
func (k *keyring) expectMet(a, b *testbed.Peer) {
	k.t.Helper()
	meet(k.t, a, b)
	for _, pair := range [][2]*testbed.Peer{{a, b}, {b, a}} {
		node, peer := pair[0], pair[1]
		enter := node.Wait(k.t, "ENTER", testbed.Is("enter", peer))
		want := k.public(peer.Name)
		if node.Kind == testbed.Zre && enter.PublicKey != want {
			k.t.Errorf("%s has met %s with the key %q, want %q", node, peer, enter.PublicKey, want)
		}
		if got := enter.Headers["X-PUBLICKEY"]; node.Kind == testbed.Zyre && got != want {
			k.t.Errorf("%s sees the header X-PUBLICKEY of %s as %q, want %q", node, peer, got, want)
		}
	}
}

// TestCurve: C zyre with CURVE and ours, whichever starts first, whichever authorizes.
func TestCurve(t *testing.T) {
	for _, c := range []struct {
		name, zauth string
		authorizes  bool // ours
	}{
		{"nobody authorizes", noZauth, false},
		{"zauth lets in any key", anyKey, false},
		{"zauth with a folder", "folder", false},
		{"ours with a folder", noZauth, true},
		{"both with a folder", "folder", true},
	} {
		for _, oursFirst := range []bool{true, false} {
			name := c.name + ", theirs first"
			if oursFirst {
				name = c.name + ", ours first"
			}
			t.Run(strings.ReplaceAll(name, ",", ""), func(t *testing.T) {
				t.Parallel()
				k, lan := newKeyring(t), testbed.NewLAN(t, "")
				k.allow("ours")
				k.allow("theirs")
				zauth, folder := c.zauth, ""
				if zauth == "folder" {
					zauth = k.allowed
				}
				if c.authorizes {
					folder = k.allowed
				}
				var a, b *testbed.Peer
				if oursFirst {
					a = k.ours(lan.Host("a"), folder)
				}
				b = k.zyre(lan.Host("b"), zauth)
				if !oursFirst {
					a = k.ours(lan.Host("a"), folder)
				}
				k.expectMet(a, b)
				converse(t, a, b)
				if quits, stays := a, b; oursFirst {
					quits.Quit(t)
					expectExit(t, stays, quits, "left")
				} else {
					stays.Quit(t)
					expectExit(t, quits, stays, "left")
				}
			})
		}
	}
}

// TestCurveOnOneHost: the two share the beacon port.
func TestCurveOnOneHost(t *testing.T) {
	t.Parallel()
	k, host := newKeyring(t), testbed.NewLAN(t, "").Host("a")
	a, b := k.ours(host, ""), k.zyre(host, anyKey)
	k.expectMet(a, b)
	converse(t, a, b)
	b.Quit(t)
	expectExit(t, a, b, "left")
}

// TestCurveCrash: the connection shows that a killed peer is dead; its successor enters with its own key.
func TestCurveCrash(t *testing.T) {
	t.Parallel()
	k, lan := newKeyring(t), testbed.NewLAN(t, "")
	a, host := k.ours(lan.Host("a"), ""), lan.Host("b")
	b := k.zyre(host, noZauth)
	k.expectMet(a, b)
	b.Kill()
	expectExit(t, a, b, "crashed")
	c := k.zyre(host, noZauth)
	k.expectMet(a, c)
	converse(t, a, c)
}

// dialsOf counts the connections that a host has tried to make since it exists.
func dialsOf(t *testing.T, host *testbed.Host) (dials int) {
	t.Helper()
	return counter(t, host, "Tcp", "ActiveOpens")
}

// expectNoPeers watches nodes for a while, in which none must learn of another, and returns how many connections each tried to make.
func expectNoPeers(t *testing.T, d time.Duration, peers ...*testbed.Peer) (dials []int) {
	t.Helper()
	for _, p := range peers {
		dials = append(dials, -dialsOf(t, p.Host))
	}
	peers[0].Watch(d)
	for i, p := range peers {
		dials[i] += dialsOf(t, p.Host)
		for _, e := range p.Events() {
			if slices.Contains([]string{"enter", "join", "whisper", "shout"}, e.Event) {
				t.Errorf("%s saw: %v", p, e)
			}
		}
		for _, known := range p.Peers(t) {
			if known.Name != "" || p.Kind != testbed.Zyre { // C zyre also lists those that it dials
				t.Errorf("%s knows %v", p, known)
			}
		}
	}
	return dials
}

// watched is how long the tests watch nodes that must not meet, and mostDials how often one may try another in that time: each pause is
// longer, up to 5 s. libzmq tries some 50 times if a connection closes without ERROR.
const (
	watched   = 8 * time.Second
	mostDials = 12
)

// TestCurveWeRefuse: a C zyre node whose key ours refuses learns nothing about ours, is reported as a problem, and does not come back again
// and again.
func TestCurveWeRefuse(t *testing.T) {
	for _, zauth := range []string{noZauth, anyKey} {
		t.Run("zauth "+zauth, func(t *testing.T) {
			t.Parallel()
			k, lan := newKeyring(t), testbed.NewLAN(t, "")
			a := k.ours(lan.Host("a"), k.allowed)
			b := k.zyre(lan.Host("b"), zauth)
			if a.Kind == testbed.Zre {
				k.refused(a, b)
			}
			dials := expectNoPeers(t, watched, a, b)
			t.Logf("in %v ours dialled %d times, C zyre %d times", watched, dials[0], dials[1])
			if max(dials[0], dials[1]) > mostDials {
				t.Errorf("%v dials, of ours and of C zyre, want %d at most", dials, mostDials)
			}
			k.allow("late") // C zyre dials again when it has expired us, so another node shows that ours has read the folder again
			c := k.zyreNamed("late", lan.Host("c"), zauth)
			a.Wait(t, "ENTER of "+c.String(), testbed.Is("enter", c))
			c.Wait(t, "ENTER of "+a.String(), testbed.Is("enter", a))
			converse(t, a, c)
		})
	}
}

// refused waits for the problem that a peer's key is refused, on either side.
func (k *keyring) refused(node, peer *testbed.Peer) testbed.Event {
	k.t.Helper()
	return node.Wait(k.t, "a problem of "+peer.String(), func(e testbed.Event) bool {
		return e.Event == "problem" && !e.Solved && (e.Peer == peer.UUID || strings.Contains(e.About+e.Error, k.public(peer.Name)))
	})
}

// TestCurveTheyRefuse: zauth refuses our key. We report it, and try again now and then.
func TestCurveTheyRefuse(t *testing.T) {
	t.Parallel()
	k, lan := newKeyring(t), testbed.NewLAN(t, "")
	b := k.zyre(lan.Host("b"), k.allowed)
	a := k.ours(lan.Host("a"), "")
	if a.Kind == testbed.Zre {
		t.Logf("told: %v", k.refused(a, b))
	}
	before := dialsOf(t, a.Host)
	a.Watch(watched)
	dials := dialsOf(t, a.Host) - before
	t.Logf("in %v ours dialled %d times", watched, dials)
	if dials > mostDials {
		t.Errorf("%d dials, want %d at most", dials, mostDials)
	}
	for _, e := range b.Events() {
		if e.Event == "enter" {
			t.Errorf("%s saw: %v", b, e)
		}
	}
}

// TestCurveBesidePlain: nodes with CURVE and without, of C zyre and ours on one LAN: two and two meet, and no connection is tried between
// the others.
func TestCurveBesidePlain(t *testing.T) {
	t.Run("ours with CURVE", func(t *testing.T) {
		eachKind(t, func(t *testing.T, kind testbed.Kind) {
			k, lan := newKeyring(t), testbed.NewLAN(t, "")
			a := k.ours(lan.Host("a"), "")
			b := testbed.Start(t, lan.Host("b"), kind, options("b"))
			for _, n := range expectNoPeers(t, watched, a, b) {
				if n != 0 {
					t.Errorf("%d connections were tried", n)
				}
			}
			c := testbed.Start(t, lan.Host("c"), testbed.Zre, options("c"))
			meet(t, b, c)
			converse(t, b, c)
			neverMeet(t, a, b, c)
			a.Quit(t) // its farewells have 54 octets, too
			b.Quit(t)
			expectExit(t, c, b, "left")
		})
	})
	t.Run("theirs with CURVE", func(t *testing.T) {
		t.Parallel()
		k, lan := newKeyring(t), testbed.NewLAN(t, "")
		a := testbed.Start(t, lan.Host("a"), ours, options("a"))
		b := k.zyre(lan.Host("b"), noZauth)
		for _, n := range expectNoPeers(t, watched, a, b) {
			if n != 0 {
				t.Errorf("%d connections were tried", n)
			}
		}
	})
	t.Run("two and two", func(t *testing.T) {
		t.Parallel()
		k, lan := newKeyring(t), testbed.NewLAN(t, "")
		plain := testbed.Start(t, lan.Host("plain"), ours, options("plain"))
		plainZyre := testbed.Start(t, lan.Host("plain zyre"), testbed.Zyre, options("plain zyre"))
		a, b := k.ours(lan.Host("a"), ""), k.zyre(lan.Host("b"), noZauth)
		meet(t, plain, plainZyre)
		k.expectMet(a, b)
		converse(t, a, b)
		converse(t, plain, plainZyre)
		neverMeet(t, a, plain, plainZyre)
		neverMeet(t, b, plain, plainZyre)
	})
}

// neverMeet checks that a node and some others never met.
func neverMeet(t *testing.T, a *testbed.Peer, others ...*testbed.Peer) {
	t.Helper()
	for _, b := range others {
		for _, pair := range [][2]*testbed.Peer{{a, b}, {b, a}} {
			for _, e := range pair[0].Events() {
				if e.Event == "enter" && e.Peer == pair[1].UUID {
					t.Errorf("%s met %s: %v", pair[0], pair[1], e)
				}
			}
		}
	}
}
