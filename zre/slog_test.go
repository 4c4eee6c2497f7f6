package zre

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
)

// withoutTime removes the time, which a test cannot predict.
func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

func TestSlogFields(t *testing.T) {
	var out bytes.Buffer
	handler := slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: withoutTime})
	log := zerologOf(handler.WithAttrs([]slog.Attr{slog.String("app", "sensor")}).WithGroup("zre")).With().Str("node", "alice").Logger()
	id := uuid.MustParse("00112233-4455-6677-8899-aabbccddeeff")
	for _, test := range []struct {
		name string
		log  func()
		want string
	}{
		{"no field", func() { log.Debug().Msg("closed") }, `level=DEBUG msg=closed app=sensor zre.node=alice`},
		{"no message", func() { log.Info().Int("n", 1).Send() }, `level=INFO msg="" app=sensor zre.node=alice zre.n=1`},
		{"a number and a Stringer", func() { log.Info().Uint16("port", 49152).Stringer("peer", id).Msg("started") },
			`level=INFO msg=started app=sensor zre.node=alice zre.port=49152 zre.peer=` + id.String()},
		{"an error", func() { log.Warn().Err(errors.New("connection \"x\" refused")).Msg("cannot connect") },
			`level=WARN msg="cannot connect" app=sensor zre.node=alice zre.error="connection \"x\" refused"`},
		{"numbers", func() { log.Error().Int64("a", -1<<63).Uint64("b", 1<<64-1).Float64("c", 1.5).Bool("d", true).Msg("m") },
			`level=ERROR msg=m app=sensor zre.node=alice zre.a=-9223372036854775808 zre.b=18446744073709551615 zre.c=1.5 zre.d=true`},
		{"an object is a group", func() {
			log.Info().Dict("d", zerolog.Dict().Str("x", "1").Dict("e", zerolog.Dict().Int("y", 2))).Msg("m")
		},
			`level=INFO msg=m app=sensor zre.node=alice zre.d.x=1 zre.d.e.y=2`},
		{"a list and null", func() { log.Info().Strs("l", []string{"a", "b"}).Interface("n", nil).Msg("m") },
			`level=INFO msg=m app=sensor zre.node=alice zre.l="[a b]" zre.n=<nil>`},
		{"a name of a stranger", func() { log.Info().Str("name", "eve\nlevel=ERROR\x1b[2J").Msg("enter") },
			`level=INFO msg=enter app=sensor zre.node=alice zre.name="eve\nlevel=ERROR\x1b[2J"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			out.Reset()
			test.log()
			if got := strings.TrimSpace(out.String()); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestSlogLevels(t *testing.T) {
	var out bytes.Buffer
	log := zerologOf(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.Level(-100), ReplaceAttr: withoutTime}))
	for level, want := range map[zerolog.Level]string{
		zerolog.TraceLevel: "DEBUG-4", zerolog.DebugLevel: "DEBUG", zerolog.InfoLevel: "INFO", zerolog.WarnLevel: "WARN",
		zerolog.ErrorLevel: "ERROR", zerolog.NoLevel: "INFO",
	} {
		out.Reset()
		log.WithLevel(level).Msg("m")
		if got := strings.TrimSpace(out.String()); got != "level="+want+" msg=m" {
			t.Errorf("%v: %s", level, got)
		}
	}
}

// Records of disabled levels are not made. Levels can be enabled at any time.
func TestSlogEnabled(t *testing.T) {
	var out bytes.Buffer
	var level slog.LevelVar
	level.Set(slog.LevelWarn)
	log := zerologOf(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: &level}))
	if log.Info() != nil || log.Debug() != nil {
		t.Error("a record of a level that is not enabled is begun")
	}
	if allocs := testing.AllocsPerRun(100, func() { log.Debug().Str("a", "b").Msg("m") }); allocs != 0 {
		t.Errorf("a record of a level that is not enabled takes %v allocations", allocs)
	}
	level.Set(slog.LevelDebug)
	log.Debug().Msg("now")
	level.Set(slog.LevelError)
	log.Warn().Msg("no more")
	if got := out.String(); !strings.Contains(got, "msg=now") || strings.Contains(got, "no more") {
		t.Errorf("logged: %s", got)
	}
}

// oneRecord keeps the last record that it received.
type oneRecord struct {
	slog.Handler
	last atomic.Pointer[slog.Record]
}

func (h *oneRecord) Enabled(context.Context, slog.Level) bool { return true }

func (h *oneRecord) Handle(_ context.Context, r slog.Record) error {
	r = r.Clone()
	h.last.Store(&r)
	return nil
}

func TestWithSlog(t *testing.T) {
	if _, err := NewNode(WithSlog(nil)); err == nil {
		t.Error("no error for a logger that is nil")
	}
	h := new(oneRecord)
	node, err := NewNode(WithName("alice"), WithSlog(slog.New(h)), WithoutBeacons(), WithListen("tcp://127.0.0.1:*"), WithTransports("tcp"))
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := node.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := node.Close(); err != nil {
		t.Fatal(err)
	}
	last := h.last.Load()
	if last == nil || last.Message != "closed" || last.Level != slog.LevelDebug || last.Time.Before(began) {
		t.Fatalf("the last record is %+v", last)
	}
	attrs := make(map[string]slog.Value)
	last.Attrs(func(a slog.Attr) bool {
		attrs[a.Key] = a.Value
		return true
	})
	if len(attrs) != 1 || attrs["node"].String() != "alice" {
		t.Errorf("its attributes are %v", attrs)
	}
}

// Records that are not JSON, from another encoding of zerolog, are not lost.
func TestSlogOtherEncoding(t *testing.T) {
	h := new(oneRecord)
	for _, line := range []string{"\xbf\x65level", "[1]", `{"a":`, ""} {
		if _, err := (slogWriter{h}).WriteLevel(zerolog.InfoLevel, []byte(line+"\n")); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		if got := h.last.Load().Message; got != line {
			t.Errorf("%q comes as %q", line, got)
		}
	}
}

func BenchmarkSlog(b *testing.B) {
	for name, level := range map[string]slog.Level{"enabled": slog.LevelDebug, "disabled": slog.LevelInfo} {
		b.Run(name, func(b *testing.B) {
			log := zerologOf(slog.NewJSONHandler(discard{}, &slog.HandlerOptions{Level: level})).With().Str("node", "alice").Logger()
			b.ReportAllocs()
			for b.Loop() {
				log.Debug().Stringer("peer", uuid.Nil).Str("state", "ready").Str("event", "connected").Msg("session")
			}
		})
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }
