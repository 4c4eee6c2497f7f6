package trace

import (
	"testing"
	"testing/synctest"

	"go.opentelemetry.io/otel/trace"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// A trace goes on at the peer that a whisper comes to. TestTraceInWhisper runs this, with what docs/operating.md shows, in a module of its own.
func TestWhisper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lan := zretest.NewLAN(t)
		a, b := zretest.Start(t, lan.Host("10.0.0.1")), zretest.Start(t, lan.Host("10.0.0.2"))
		if _, err := a.WaitFor(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1, 2, 3}, SpanID: trace.SpanID{4, 5}, TraceFlags: trace.FlagsSampled})
		ctx := trace.ContextWithSpanContext(t.Context(), span)
		if err := a.Whisper(ctx, b.UUID(), traceFrame(ctx), []byte("payload")); err != nil {
			t.Fatal(err)
		}
		e := zretest.Next[zre.Whisper](b)
		got := trace.SpanContextFromContext(traceOf(t.Context(), e.Frames[0]))
		if got.TraceID() != span.TraceID() || got.SpanID() != span.SpanID() || !got.IsRemote() || string(e.Frames[1]) != "payload" {
			t.Errorf("it comes as %+v with %q, want %+v", got, e.Frames[1:], span)
		}
	})
}
