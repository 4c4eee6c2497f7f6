package zretest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/internal/curve"
	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/msg"
	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// sendForged sends a forged beacon from a host periodically until the test ends.
func sendForged(t *testing.T, host *zretest.Host, src string, b beacon.Beacon, every time.Duration) {
	t.Helper()
	e := listen(t, host, 5670)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			e.sendFrom(t, string(b.Append(nil)), src, "255.255.255.255:5670")
			select {
			case <-ctx.Done():
			case <-time.After(every):
			}
		}
	}()
	t.Cleanup(func() { stop(); <-done })
}

// A claim is a connection that speaks CURVE with its own keys, and names any UUID and key.
type claim struct {
	conn *zmtp.Conn
	err  error
}

type discard struct{}

func (discard) Receive([][]byte) error { return nil }
func (discard) Closed(error)           {}

// claimUUID connects to a secure node with an identity. It sends HELLO with the headers unless they are nil.
func claimUUID(t *testing.T, host *zretest.Host, at string, server zre.PublicKey, id uuid.UUID, keys *curve.KeyPair, headers []msg.OutHeader) claim {
	t.Helper()
	nc, err := host.Dial(t.Context(), "tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	cfg := zmtp.Config{Identity: append([]byte{1}, id[:]...), Curve: &zmtp.Curve{Keys: keys, Server: curve.PublicKey(server)}}
	conn, err := zmtp.Open(t.Context(), nc, cfg, zmtp.NewQueue(100, 1<<20), nil, discard{})
	if err != nil {
		return claim{nil, err}
	}
	t.Cleanup(func() { conn.Close(nil) })
	if headers != nil {
		hello, err := msg.AppendHello(nil, 1, &msg.OutHello{Endpoint: "tcp://10.0.0.9:5671", Name: "impostor", Headers: headers}, msg.DefaultLimits())
		if err == nil {
			err = conn.Queue().Push(bytes.ReplaceAll(hello, []byte(duplicateKeyHeader), []byte("X-PUBLICKEY")))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return claim{conn, nil}
}

func keyPair(t *testing.T, first byte) (*curve.KeyPair, zre.PublicKey) {
	t.Helper()
	keys, err := curve.NewKeyPair([32]byte{first, 1})
	if err != nil {
		t.Fatal(err)
	}
	return keys, zre.PublicKey(keys.Public())
}

// duplicateKeyHeader stands for a duplicate header, which msg does not send.
const duplicateKeyHeader = "X-PUBLICKE2"

func keyHeader(value string) []msg.OutHeader {
	return []msg.OutHeader{{Name: "X-PUBLICKEY", Value: value}}
}

// A HELLO that does not name the key proven by its connection ends the connection and is a problem.
func TestKeyOfHello(t *testing.T) {
	keys, key := keyPair(t, 7)
	_, other := keyPair(t, 8)
	for name, c := range map[string]struct {
		headers []msg.OutHeader
		enters  bool
	}{
		"its own":      {keyHeader(key.String()), true},
		"another":      {keyHeader(other.String()), false},
		"none":         {[]msg.OutHeader{}, false},
		"empty":        {keyHeader(""), false},
		"cut":          {keyHeader(key.String()[1:]), false},
		"zero":         {keyHeader(strings.Repeat("0", 40)), false},
		"both":         {append(keyHeader(key.String()), msg.OutHeader{Name: duplicateKeyHeader, Value: other.String()}), false},
		"both, turned": {append(keyHeader(other.String()), msg.OutHeader{Name: duplicateKeyHeader, Value: key.String()}), false},
	} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				a, server := startSecure(t, lan.Host("10.0.0.1"), "a", zre.WithListen("tcp://*:5671"))
				id := uuid.New()
				began := time.Now()
				peer := claimUUID(t, lan.Host("10.0.0.9"), "10.0.0.1:5671", server, id, keys, c.headers)
				if peer.err != nil {
					t.Fatal(peer.err)
				}
				if !c.enters {
					<-peer.conn.Done()
					if time.Since(began) > 2*time.Second {
						t.Errorf("the connection was closed after %v, want 2 s at most", time.Since(began))
					}
				}
				advance(time.Second)
				if p, ok := a.Peer(id); ok != c.enters || ok && p.PublicKey != key {
					t.Errorf("a knows %+v", p)
				}
				if refused := slices.Contains(problemKinds(a), "refused"); refused == c.enters || len(presenceEvents(a.Seen())) > 0 != c.enters {
					t.Errorf("a saw %v, and has %v", a.Seen(), a.Problems())
				}
			})
		})
	}
}

// Two nodes have one UUID and two keys. The first one met stays. The other one is refused before its connection disturbs anything. An
// authorizer that knows the owner of the UUID decides which one can be first.
func TestSameUUIDWithAnotherKey(t *testing.T) {
	for _, c := range []struct {
		name             string
		ownerFirst, bind bool
		stays            string
	}{
		{"after its owner", true, false, "owner"},
		{"before its owner", false, false, "thief"},
		{"after its owner, authorized", true, true, "owner"},
		{"before its owner, authorized", false, true, "owner"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				id, certificate := uuid.New(), newCertificate(t)
				var options []zre.Option
				if c.bind {
					options = append(options, zre.WithAuthorizer(func(_ context.Context, peer zre.Identity) error {
						if peer.UUID == id && peer.PublicKey != certificate.PublicKey() {
							return errors.New("another one's UUID")
						}
						return nil
					}))
				}
				a, _ := startSecure(t, lan.Host("10.0.0.1"), "a", options...)
				var owner, thief *zretest.Watched
				begin := map[bool]func(){
					true: func() {
						owner = zretest.Start(t, lan.Host("10.0.0.2"), zre.WithName("owner"), zre.WithUUID(id), zre.WithCertificate(certificate))
					},
					false: func() { thief, _ = startSecure(t, lan.Host("10.0.0.3"), "thief", zre.WithUUID(id)) },
				}
				begin[c.ownerFirst]()
				advance(10 * time.Second)
				begin[!c.ownerFirst]()
				advance(5 * time.Minute)
				if got := presenceEvents(a.Seen()); !slices.Equal(got, []string{"Enter(" + c.stays + ")"}) {
					t.Errorf("a saw %v", got)
				}
				first, second := owner, thief
				if c.stays == "thief" {
					first, second = thief, owner
				}
				if err := a.Whisper(t.Context(), id, []byte("x")); err != nil {
					t.Error(err)
				}
				_ = second.Shout(t.Context(), "g", []byte("x"))
				advance(time.Second)
				if mine, others := textsOf(first.Seen(), a.UUID()), textsOf(second.Seen(), a.UUID()); len(mine) != 1 || len(others) != 0 {
					t.Errorf("the node that stays got %v, the other node %v", mine, others)
				}
				if len(presenceEvents(second.Seen())) > 0 {
					t.Errorf("the other node saw %v", second.Seen())
				}
				if list := problemKinds(a); !slices.Contains(list, "refused") {
					t.Errorf("a has %v", a.Problems())
				}
				if err := first.Close(); err != nil {
					t.Error(err)
				}
				advance(time.Minute)
				if got := presenceEvents(a.Seen()); !c.bind && !slices.Equal(got[2:], []string{"Enter(" + second.Name() + ")"}) || c.bind && len(got) != 2 {
					t.Errorf("when the first has left a saw %v", got)
				}
			})
		})
	}
}

// A connection that claims a UUID and sends nothing does not keep the owner out, nor does one that sends messages without a HELLO.
func TestSilentClaimOfAPeer(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		keys, _ := keyPair(t, 7)
		id := uuid.New()
		a, server := startSecure(t, lan.Host("10.0.0.1"), "a", zre.WithListen("tcp://*:5671"))
		attacker := lan.Host("10.0.0.9")
		before := claimUUID(t, attacker, "10.0.0.1:5671", server, id, keys, nil)
		if before.err != nil {
			t.Fatal(before.err)
		}
		owner, _ := startSecure(t, lan.Host("10.0.0.2"), "owner", zre.WithUUID(id))
		began := time.Now()
		zretest.Next[zre.Enter](a)
		if time.Since(began) > 3*time.Second {
			t.Errorf("the owner entered after %v", time.Since(began))
		}
		zretest.Next[zre.Enter](owner)
		advance(time.Second)
		after := claimUUID(t, attacker, "10.0.0.1:5671", server, id, keys, keyHeader("x"))
		if refused, ok := errors.AsType[*zmtp.PeerError](after.err); !ok || refused.Reason != "400" {
			t.Errorf("the claim after its owner: %v", after.err)
		}
		advance(time.Minute)
		if got := presenceEvents(a.Seen()); len(got) != 1 {
			t.Errorf("a saw %v", got)
		}
	})
}

// Beacons with another key than the proven one change nothing: they do not show that a peer is present, leaves, or moved. Those with the
// right key are no proof either: a peer that answers has not left.
func TestForgedBeacons(t *testing.T) {
	_, wrong := keyPair(t, 7)
	for _, c := range []struct {
		name  string
		right bool
		src   string
		port  uint16
	}{
		{"a place, another key", false, "10.0.0.9", 5671},
		{"a place at its own address, another key", false, "10.0.0.2", 4711},
		{"a farewell, another key", false, "10.0.0.2", 0},
		{"a farewell, its own key", true, "10.0.0.9", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				home := lan.Host("10.0.0.2")
				a, _ := startSecure(t, lan.Host("10.0.0.1"), "a")
				b, right := startSecure(t, home, "b")
				advance(10 * time.Second)
				from := home.Process()
				if c.src != "10.0.0.2" {
					from = lan.Host(c.src)
				}
				l, err := from.Listen(t.Context(), "tcp", fmt.Sprintf("%s:%d", c.src, max(c.port, 1)))
				if err != nil {
					t.Fatal(err)
				}
				dialled := make(chan string, 100)
				go func() {
					for {
						nc, err := l.Accept()
						if err != nil {
							return
						}
						dialled <- nc.RemoteAddr().String()
						nc.Close()
					}
				}()
				key := wrong
				if c.right {
					key = right
				}
				sendForged(t, from, c.src, beacon.Beacon{UUID: b.UUID(), Port: c.port, State: beacon.Unknown, Key: beacon.Key(key)}, 100*time.Millisecond)
				advance(2 * time.Minute)
				if got := presenceEvents(a.Seen()); !slices.Equal(got, []string{"Enter(b)"}) || len(dialled) > 0 {
					t.Errorf("a saw %v, and dialled %d times", got, len(dialled))
				}
				l.Close()
				synctest.Wait()
				advance(11 * time.Second) // the stranger without a claim is forgotten
			})
		})
	}
}

// Farewells with another key do not keep two nodes from meeting, and do not end their session while one of them does not answer.
func TestForgedFarewells(t *testing.T) {
	_, wrong := keyPair(t, 7)
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		lan.SetLink(zretest.Link{Latency: 20 * time.Millisecond}) // dials take a while
		home, c := lan.Host("10.0.0.2"), newCertificate(t)
		a, _ := startSecure(t, lan.Host("10.0.0.1"), "a")
		id := uuid.New()
		sendForged(t, home.Process(), "10.0.0.2", beacon.Beacon{UUID: id, State: beacon.Unknown, Key: beacon.Key(wrong)}, 10*time.Millisecond)
		zretest.Start(t, home, zre.WithName("b"), zre.WithUUID(id), zre.WithCertificate(c))
		advance(2 * time.Second)
		if got := presenceEvents(a.Seen()); !slices.Equal(got, []string{"Enter(b)"}) {
			t.Errorf("after 2 s a saw %v", got)
		}
		home.Freeze()
		advance(15 * time.Second)
		home.Thaw()
		advance(10 * time.Second)
		if got := presenceEvents(a.Seen()); !slices.Equal(got, []string{"Enter(b)"}) {
			t.Errorf("a saw %v", got)
		}
	})
}

// A forged beacon with a wrong key that arrives before the true one does not keep nodes apart. However many beacons are forged, for either
// node, and whatever is at the forged address, the two soon meet in both directions.
func TestWrongKeyInBeacon(t *testing.T) {
	keys, wrong := keyPair(t, 7)
	for _, both := range []bool{false, true} {
		for _, place := range []string{"its own", "nobody's", "silent", "the other key's"} {
			t.Run(fmt.Sprintf("%s, both %v", place, both), func(t *testing.T) {
				inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
					ids := []uuid.UUID{uuid.New(), uuid.New()}
					homes := []*zretest.Host{lan.Host("10.0.0.1"), lan.Host("10.0.0.2")}
					for i, id := range ids {
						if i == 0 && !both {
							continue
						}
						src, from := fmt.Sprintf("10.0.0.%d", i+1), homes[i].Process()
						if place != "its own" {
							src = fmt.Sprintf("10.0.0.%d", i+8)
							from = lan.Host(src)
						}
						holdHandshake(t, from, src+":5671", place, keys)
						sendForged(t, from, src, beacon.Beacon{UUID: id, Port: 5671, State: beacon.Unknown, Key: beacon.Key(wrong)}, 20*time.Millisecond)
					}
					var nodes []*zretest.Watched
					var all []zre.PublicKey
					for i, id := range ids {
						w, key := startSecure(t, homes[i], fmt.Sprint(i), zre.WithUUID(id), zre.WithListen("tcp://*:5671"))
						nodes, all = append(nodes, w), append(all, key)
						advance(time.Second) // so the hint comes first
					}
					if place == "the other key's" && both { // both hints have a connection and no answer
						advance(3 * time.Second)
					}
					advance(2 * time.Second)
					expectExchange(t, nodes, all)
				})
			})
		}
	}
}

// holdHandshake makes something listen at an address.
func holdHandshake(t *testing.T, host *zretest.Host, at, place string, keys *curve.KeyPair) {
	t.Helper()
	if place != "silent" && place != "the other key's" {
		return
	}
	l, err := host.Listen(t.Context(), "tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	if place == "the other key's" { // like C zyre, which sends no identity
		r := zmtp.NewRouter(zmtp.Config{Curve: &zmtp.Curve{Keys: keys}}, func(*zmtp.Conn) (zmtp.Receiver, error) { return discard{}, nil })
		go func() { _ = r.Serve(l) }()
		t.Cleanup(func() { _ = r.Close() })
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = nc.Close() })
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
}
