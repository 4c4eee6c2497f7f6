package zre_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/go-zre/go-zre/zre"
)

func TestMux(t *testing.T) {
	ctx := context.Background()
	mux := zre.NewMux()
	var got string
	to := func(name string) func(context.Context, zre.Shout) {
		return func(context.Context, zre.Shout) { got = name }
	}
	for _, pattern := range []string{"sensor", "sensor.*", "sensor.kitchen.*", "sensor.hall", "se*", "z", "grün*"} {
		mux.HandleShout(pattern, to(pattern))
	}
	shouts := func(want map[string]string) {
		t.Helper()
		for group, pattern := range want {
			got = ""
			if mux.ServeEvent(ctx, zre.Shout{Peer: new(zre.Peer), Group: group}); got != pattern {
				t.Errorf("a shout to %q went to %q, want %q", group, got, pattern)
			}
		}
	}
	shouts(map[string]string{
		"sensor": "sensor", "sensor.": "sensor.*", "sensor.x": "sensor.*", "sensor.kitchen": "sensor.*", "sensor.kitchen.": "sensor.kitchen.*",
		"sensor.kitchen.1": "sensor.kitchen.*", "sensor.hall": "sensor.hall", "sensor.hall.1": "sensor.*", "sensors": "se*", "se": "se*", "s": "",
		"": "", "z": "z", "zz": "", "sf": "", "sensor.kitcheo": "sensor.*", "gr": "", "grün": "grün*", "grünlich": "grün*", "a": "", "t": "",
	})
	mux.HandleOther(func(_ context.Context, e zre.Event) { got = fmt.Sprintf("other %T", e) })
	shouts(map[string]string{"zz": "other zre.Shout", "z": "z"})
	mux.HandleShout("*", to("*"))
	shouts(map[string]string{"zz": "*", "": "*", "se": "se*", "sensor.": "sensor.*"})

	mux.HandleWhisper(func(context.Context, zre.Whisper) { got = "whisper" })
	mux.HandleEnter(func(context.Context, zre.Enter) { got = "enter" })
	mux.HandleExit(func(context.Context, zre.Exit) { got = "exit" })
	mux.HandleJoin("J*", func(_ context.Context, e zre.Join) { got = "join " + e.Group })
	mux.HandleLeave("L", func(_ context.Context, e zre.Leave) { got = "leave " + e.Group })
	mux.HandleRequest("now", func(_ context.Context, r zre.Request) { got = "request " + r.Name() })
	mux.HandleRequest("long*", func(_ context.Context, r zre.Request) { got = "request long" })
	mux.HandleLeader("L*", func(_ context.Context, e zre.Leader) { got = "leader " + e.Group })
	for want, event := range map[string]zre.Event{
		"leader LK":        zre.Leader{Group: "LK"},
		"whisper":          zre.Whisper{},
		"enter":            zre.Enter{},
		"exit":             zre.Exit{},
		"join JK":          zre.Join{Group: "JK"},
		"leave L":          zre.Leave{Group: "L"},
		"other zre.Join":   zre.Join{Group: "L"},
		"other zre.Leave":  zre.Leave{Group: "LL"},
		"request now":      zre.Request{Frames: [][]byte{[]byte("now"), nil}},
		"request long":     zre.Request{Frames: [][]byte{[]byte("long" + strings.Repeat("x", 10_000))}},
		"other zre.Leader": zre.Leader{Group: "J"},
	} {
		got = ""
		if mux.ServeEvent(ctx, event); got != want {
			t.Errorf("%T %+v went to %q, want %q", event, event, got, want)
		}
	}
	for _, event := range []zre.Event{
		zre.StateChange{}, zre.HeaderChange{}, zre.Evasive{}, zre.Silent{}, zre.EndpointChange{}, zre.Problem{},
	} {
		if mux.ServeEvent(ctx, event); got != fmt.Sprintf("other %T", event) {
			t.Errorf("%T without a handler went to %q", event, got)
		}
	}
	mux.HandleStateChange(func(_ context.Context, e zre.StateChange) { got = fmt.Sprintf("%T", e) })
	mux.HandleHeaderChange(func(_ context.Context, e zre.HeaderChange) { got = fmt.Sprintf("%T", e) })
	mux.HandleEvasive(func(_ context.Context, e zre.Evasive) { got = fmt.Sprintf("%T", e) })
	mux.HandleSilent(func(_ context.Context, e zre.Silent) { got = fmt.Sprintf("%T", e) })
	mux.HandleEndpointChange(func(_ context.Context, e zre.EndpointChange) { got = fmt.Sprintf("%T", e) })
	mux.HandleProblem(func(_ context.Context, e zre.Problem) { got = fmt.Sprintf("%T", e) })
	for _, event := range []zre.Event{
		zre.StateChange{}, zre.HeaderChange{}, zre.Evasive{}, zre.Silent{}, zre.EndpointChange{}, zre.Problem{},
	} {
		if mux.ServeEvent(ctx, event); got != fmt.Sprintf("%T", event) {
			t.Errorf("%T went to %q, want its own handler", event, got)
		}
	}
	got = ""
	mux.ServeEvent(ctx, zre.Request{Peer: new(zre.Peer), Frames: [][]byte{[]byte("other")}})
	mux.ServeEvent(ctx, zre.Request{Peer: new(zre.Peer)})
	if got != "" {
		t.Errorf("a request without a handler went to %q", got)
	}
	var empty zre.Mux
	empty.ServeEvent(ctx, zre.Whisper{})
}

// Obvious programming mistakes panic at registration and change nothing.
func TestMuxMistakes(t *testing.T) {
	shout, other := func(context.Context, zre.Shout) {}, func(context.Context, zre.Event) {}
	mux := zre.NewMux()
	mux.HandleShout("a", shout)
	mux.HandleShout("a*", shout)
	mux.HandleShout("*", shout)
	mux.HandleOther(other)
	mux.HandleShout(strings.Repeat("x", 255), shout)
	for name, register := range map[string]func(){
		"twice the same":       func() { mux.HandleShout("a", shout) },
		"twice the same star":  func() { mux.HandleShout("a*", shout) },
		"twice the star":       func() { mux.HandleShout("*", shout) },
		"a star in the middle": func() { mux.HandleShout("a*b", shout) },
		"two stars":            func() { mux.HandleShout("a**", shout) },
		"the empty pattern":    func() { mux.HandleJoin("", func(context.Context, zre.Join) {}) },
		"too long":             func() { mux.HandleRequest(strings.Repeat("x", 256), func(context.Context, zre.Request) {}) },
		"nil":                  func() { mux.HandleEnter(nil) },
		"nil for a pattern":    func() { mux.HandleLeave("x", nil) },
		"a second other":       func() { mux.HandleOther(other) },
	} {
		func() {
			defer func() {
				if text, ok := recover().(string); !ok || !strings.HasPrefix(text, "zre: Mux.Handle") {
					t.Errorf("%s: it panicked with %q", name, text)
				}
			}()
			register()
			t.Errorf("%s: it did not panic", name)
		}()
	}
}

func BenchmarkMux(b *testing.B) {
	mux, count := zre.NewMux(), 0
	for i := range 50 {
		mux.HandleShout(fmt.Sprintf("group %d", i), func(context.Context, zre.Shout) { count++ })
		mux.HandleShout(fmt.Sprintf("star %d.*", i), func(context.Context, zre.Shout) { count++ })
	}
	mux.HandleWhisper(func(context.Context, zre.Whisper) { count++ })
	for _, event := range []zre.Event{zre.Whisper{}, zre.Shout{Group: "group 33"}, zre.Shout{Group: "star 33.temperature"}} {
		b.Run(fmt.Sprintf("%T%.5v", event, event), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				mux.ServeEvent(b.Context(), event)
			}
		})
	}
}
