package zretest_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/conformance"
	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

var foreign = []zretest.Implementation{zretest.Zyre, zretest.Pyre, zretest.ZyreJS}

// subject is a model under test by scripts.
type subject struct{ *zretest.Foreign }

func (s subject) Whisper(to uuid.UUID, text string) error {
	if !s.Foreign.Whisper(to, []byte(text)) {
		return errors.New("no such peer")
	}
	return nil
}

func (s subject) Events(of uuid.UUID) (list []string) {
	for _, e := range s.Seen() {
		if e.From().UUID != of {
			continue
		}
		switch e.(type) {
		case zre.Enter:
			list = append(list, "enter")
		case zre.Exit:
			list = append(list, "exit")
		case zre.Join:
			list = append(list, "join")
		case zre.Leave:
			list = append(list, "leave")
		case zre.Whisper:
			list = append(list, "whisper")
		case zre.Shout:
			list = append(list, "shout")
		}
	}
	return list
}

// The models behave, message by message, as internal/interop's TestScripts finds the real implementations to behave.
func TestScripts(t *testing.T) {
	for _, kind := range foreign {
		for _, s := range conformance.Scripts {
			if s.Long && underRace {
				continue
			}
			t.Run(string(kind)+"/"+s.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					lan := zretest.NewLAN(t)
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					f := zretest.NewForeign(t, lan.Host("10.0.0.2"), kind, zretest.ForeignTimeouts(s.Temper.Timeouts()))
					got, err := conformance.Play(ctx, lan.Host("10.0.0.1"), subject{f}, s)
					if err != nil {
						t.Error(err)
					}
					if wrong := got.Differs(s.Want[string(kind)]); wrong != "" {
						t.Error(wrong)
					}
				})
			})
		}
	}
}

// A node and a model of each kind meet, talk in both directions, and part.
func TestForeign(t *testing.T) {
	for _, kind := range foreign {
		t.Run(string(kind), func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				node := zretest.Start(t, lan.Host("10.0.0.1"), zre.WithName("node"))
				host := lan.Host("10.0.0.2")
				f := zretest.NewForeign(t, host, kind, zretest.ForeignName("other"), zretest.ForeignGroups("G"))
				enter := zretest.Next[zre.Enter](node)
				if p := enter.Peer; p.UUID != f.UUID() || p.Name != "other" || p.Endpoint != f.Endpoint() || p.Transport != "tcp" || p.State != zre.StateUnknown {
					t.Errorf("entered: %+v", p)
				}
				zretest.Next[zre.Join](node)
				f.Join("H")
				if join := zretest.Next[zre.Join](node); join.Group != "H" {
					t.Errorf("joined %q", join.Group)
				}
				if err := errors.Join(
					node.Join("G"),
					node.Whisper(t.Context(), f.UUID(), []byte("hello")),
					node.Shout(t.Context(), "G", []byte("hello")),
					node.Leave("G"),
				); err != nil {
					t.Error(err)
				}
				advance(time.Second)
				if got, want := strings.Join(subject{f}.Events(node.UUID()), " "), "enter join whisper shout leave"; got != want {
					t.Errorf("it saw %s, want %s", got, want)
				}
				if peers := f.Peers(); len(peers) != 1 || peers[0] != node.UUID() || !f.Whisper(node.UUID(), []byte("hello")) {
					t.Errorf("it sees %v", peers)
				}
				zretest.Next[zre.Whisper](node)
				f.Leave("H")
				zretest.Next[zre.Leave](node)

				for _, end := range []struct {
					do     func()
					reason zre.Reason
				}{{func() { f.Stop() }, zre.ReasonLeft}, {func() { host.Kill(); f.Kill() }, zre.ReasonCrashed}} {
					end.do()
					if exit := zretest.Next[zre.Exit](node); exit.Reason != end.reason {
						t.Errorf("it exited: %v, want %v", exit.Reason, end.reason)
					}
					host = host.Process()
					f = zretest.NewForeign(t, host, kind, zretest.ForeignUUID(f.UUID()))
					zretest.Next[zre.Enter](node)
				}
			})
		})
	}
}

// The connections that one host dialled to another break. Those that it accepted, and its connections to a third host, stay.
func TestResetConnectionsTo(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		a, b, c := lan.Host("10.0.0.1"), lan.Host("10.0.0.2"), lan.Host("10.0.0.3")
		dialled, far := connect(t, a, b, "10.0.0.2:7")
		accepting, accepted := connect(t, b, a, "10.0.0.1:7")
		third, _ := connect(t, a, c, "10.0.0.3:7")
		a.ResetConnectionsTo(b)
		for _, broken := range []net.Conn{dialled, far} {
			if _, err := broken.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("a connection that was to break: %v", err)
			}
		}
		for _, whole := range []net.Conn{accepting, accepted, third} {
			if _, err := whole.Write([]byte("x")); err != nil {
				t.Errorf("a connection that was to stay: %v", err)
			}
		}
	})
}
