package zretest_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// headersOf returns the headers of the peer in each event of a type.
func headersOf[E zre.Event](events []zre.Event, of uuid.UUID) (list []map[string]string) {
	for _, event := range events {
		if e, ok := event.(E); ok && e.From().UUID == of {
			list = append(list, e.From().Headers)
		}
	}
	return list
}

// Our nodes see header changes, on any transport, in order with the messages around them. Foreign peers see nothing and stay; they get the
// current headers with the next HELLO.
func TestHeadersChange(t *testing.T) {
	for _, transport := range []string{"tcp", "ipc", "inproc"} {
		for _, kind := range foreign {
			t.Run(fmt.Sprintf("%s, beside %v", transport, kind), func(t *testing.T) {
				inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
					at := lan.Host("10.0.0.1")
					near := map[string]*zretest.Host{"tcp": lan.Host("10.0.0.2"), "ipc": at.Process(), "inproc": at}[transport]
					a := zretest.Start(t, at, zre.WithName("a"), zre.WithHeader("fixed", "1"), zre.WithHeader("role", "none"))
					b := zretest.Start(t, near, zre.WithName("b"))
					f := zretest.NewForeign(t, lan.Host("10.0.0.3"), kind)
					advance(5 * time.Second)
					whisper := func(n uint64) {
						for _, to := range []uuid.UUID{b.UUID(), f.UUID()} {
							if err := a.Whisper(t.Context(), to, zretest.Number(n)); err != nil {
								t.Fatal(err)
							}
						}
					}
					whisper(1)
					must(t, a.SetHeader("role", "camera"))
					whisper(2)
					advance(time.Second)
					must(t, a.SetHeader("role", "camera")) // no change
					must(t, a.RemoveHeader("none"))
					advance(time.Second)
					must(t, a.RemoveHeader("fixed"))
					advance(time.Second)
					whisper(3)
					for i := range 1_000 {
						must(t, a.SetHeader("count", fmt.Sprint(i)))
					}
					advance(time.Second)
					whisper(4)
					advance(time.Second)

					want := []map[string]string{{"fixed": "1", "role": "camera"}, {"role": "camera"}, {"role": "camera", "count": "999"}}
					got := headersOf[zre.HeaderChange](b.Seen(), a.UUID())
					if n := len(got); n == 4 { // some of the thousand changes may come before the others
						got = slices.Delete(got, 2, 3)
					}
					if !slices.EqualFunc(got, want, maps.Equal) {
						t.Errorf("headers %v, want %v", got, want)
					}
					if p, _ := b.Peer(a.UUID()); !maps.Equal(p.Headers, want[2]) || p.Transport != transport {
						t.Errorf("the peer is %+v", p)
					}
					if list := b.PeersWith("count", "999"); len(list) != 1 {
						t.Errorf("%d peers with the header", len(list))
					}
					if got := whispers(b.Seen(), a.UUID()); got != 4 {
						t.Errorf("%d whispers", got)
					}
					if own := a.Headers(); !maps.Equal(own, want[2]) {
						t.Errorf("its own headers are %v", own)
					}

					if got := whispers(f.Seen(), a.UUID()); got != 4 || count[zre.Exit](f.Seen()) > 0 || count[zre.Exit](a.Seen()) > 0 {
						t.Errorf("the foreign peer saw %v", f.Seen())
					}
					at.ResetConnections()
					advance(time.Minute)
					if list := headersOf[zre.Enter](f.Seen(), a.UUID()); len(list) < 2 || !maps.Equal(list[len(list)-1], want[2]) || list[0]["role"] != "none" {
						t.Errorf("it saw headers %v", list)
					}
					late := zretest.Start(t, lan.Host("10.0.0.4"))
					late.Wait("a", func(e zre.Event) bool { return e.From().UUID == a.UUID() && maps.Equal(e.From().Headers, want[2]) })
				})
			})
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func count[E zre.Event](events []zre.Event) (n int) {
	for _, e := range events {
		if _, ok := e.(E); ok {
			n++
		}
	}
	return n
}

// A header change waits while a peer reads nothing. The last change arrives when it reads again.
func TestHeadersOfABusyNode(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		far := lan.Host("10.0.0.2")
		a, b := zretest.Start(t, lan.Host("10.0.0.1")), zretest.Start(t, far)
		zretest.Next[zre.Enter](a)
		zretest.Next[zre.Enter](b)
		far.Freeze()
		for i := range 400 {
			must(t, a.SetHeader("k", fmt.Sprint(i, strings.Repeat("x", 100<<10))))
			advance(50 * time.Millisecond)
		}
		if p, _ := a.Peer(b.UUID()); p.QueuedBytes > 25*110<<10 {
			t.Errorf("%d MiB wait for the peer", p.QueuedBytes>>20)
		}
		far.Thaw()
		advance(5 * time.Second)
		if p, _ := b.Peer(a.UUID()); !strings.HasPrefix(p.Headers["k"], "399") {
			t.Errorf("the last header is %.10s", p.Headers["k"])
		}
	})
}

// Headers that peers would refuse are rejected when they are set, before and after the start, and nothing changes.
func TestHeaderErrors(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		limits := zre.WithLimits(zre.Limits{Headers: 3, HelloSize: 10 << 10})
		node, err := zre.NewNode(zre.WithNetwork(lan.Host("10.0.0.1")), limits, zre.WithHeader("a", "1"), zre.WithHeader("b", "2"))
		must(t, err)
		defer node.Close()
		for _, started := range []bool{false, true} {
			if started {
				must(t, node.Start(t.Context()))
			}
			for _, c := range []struct {
				name, value string
				want        error
			}{
				{"", "v", zre.ErrInvalidHeader},
				{strings.Repeat("n", 256), "v", zre.ErrInvalidHeader},
				{"n", "\xff", zre.ErrInvalidHeader},
				{"n\x00", "v", zre.ErrInvalidHeader},
				{"X-PUBLICKEY", "v", zre.ErrInvalidHeader},
				{"x-publickey", "v", zre.ErrInvalidHeader},
				{"n", strings.Repeat("v", 10<<10), zre.ErrHelloTooLarge},
				{"a", "1", nil},
				{"c", "3", nil},
				{"d", "4", zre.ErrTooManyHeaders},
				{"c", "5", nil},
			} {
				if err := node.SetHeader(c.name, c.value); !errors.Is(err, c.want) {
					t.Errorf("SetHeader(%.20q): %v, want %v", c.name, err, c.want)
				}
			}
			for _, name := range []string{"", "X-PUBLICKEY", "n\x00"} {
				if err := node.RemoveHeader(name); !errors.Is(err, zre.ErrInvalidHeader) {
					t.Errorf("RemoveHeader(%q): %v", name, err)
				}
			}
			if got, want := node.Headers(), map[string]string{"a": "1", "b": "2", "c": "5"}; !maps.Equal(got, want) {
				t.Errorf("headers %v, want %v", got, want)
			}
			must(t, node.RemoveHeader("c"))
		}
		node.Close()
		if err := errors.Join(node.SetHeader("a", "1")); !errors.Is(err, zre.ErrClosed) {
			t.Error(err)
		}
		if err := node.RemoveHeader("a"); !errors.Is(err, zre.ErrClosed) {
			t.Error(err)
		}
	})
}
