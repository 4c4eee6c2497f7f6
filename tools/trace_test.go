package tools

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"testing"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// What docs/operating.md shows begins here.

var propagator = propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})

// traceFrame makes the first frame of a message: the trace that ctx is a part of.
func traceFrame(ctx context.Context) []byte {
	carrier := make(propagation.MapCarrier)
	propagator.Inject(ctx, carrier)
	frame, _ := json.Marshal(carrier) // strings alone: it cannot fail
	return frame
}

// traceOf returns a context that continues the trace of a first frame. If the frame has no trace, a new one begins.
func traceOf(ctx context.Context, frame []byte) context.Context {
	var carrier propagation.MapCarrier
	if len(frame) > 16<<10 || json.Unmarshal(frame, &carrier) != nil {
		return ctx
	}
	return propagator.Extract(ctx, carrier)
}

// What docs/operating.md shows ends here.

func TestTrace(t *testing.T) {
	span := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1, 2, 3}, SpanID: trace.SpanID{4, 5}, TraceFlags: trace.FlagsSampled,
	})
	frame := traceFrame(trace.ContextWithSpanContext(t.Context(), span))
	if want := `{"traceparent":"00-01020300000000000000000000000000-0405000000000000-01"}`; string(frame) != want {
		t.Errorf("the frame is %s, want %s", frame, want)
	}
	got := trace.SpanContextFromContext(traceOf(t.Context(), frame))
	if got.TraceID() != span.TraceID() || got.SpanID() != span.SpanID() || !got.IsSampled() || !got.IsRemote() {
		t.Errorf("it comes as %+v", got)
	}
	for _, frame := range []string{"", "null", "{}", "[1]", `{"traceparent":1}`, `{"traceparent":"00-x"}`, "{", string(make([]byte, 1<<20))} {
		if got := trace.SpanContextFromContext(traceOf(t.Context(), []byte(frame))); got.IsValid() {
			t.Errorf("%.20q is a trace: %+v", frame, got)
		}
	}
	if got := string(traceFrame(t.Context())); got != "{}" {
		t.Errorf("without a trace the frame is %s", got)
	}
}

// The page shows the code that is tested here.
func TestTraceInDocs(t *testing.T) {
	source, err := os.ReadFile("trace_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, source, _ = bytes.Cut(source, []byte("begins here.\n\n"))
	source, _, _ = bytes.Cut(source, []byte("\n// What docs/operating.md shows ends"))
	docs, err := os.ReadFile("../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(docs, source) {
		t.Errorf("docs/operating.md does not have\n%s", source)
	}
}
