package tools

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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

// shown is the code that docs/operating.md shows.
func shown(t *testing.T) []byte {
	t.Helper()
	source, err := os.ReadFile("trace_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, source, _ = bytes.Cut(source, []byte("begins here.\n\n"))
	source, _, _ = bytes.Cut(source, []byte("\n// What docs/operating.md shows ends"))
	return source
}

// The code that the page shows carries a trace through a whisper, in a module that needs OpenTelemetry and the library as a user's does. It needs no network, as
// the modules have been downloaded for the checks.
func TestTraceInWhisper(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	test, err1 := os.ReadFile("testdata/trace/whisper_test.go")
	ours, err2 := os.ReadFile("go.sum")
	library, err3 := os.ReadFile(filepath.Join(root, "go.sum"))
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string]string{
		"go.mod": fmt.Sprintf("module example.org/trace\n\ngo 1.26.0\n\nrequire (\n\tgithub.com/go-zre/go-zre v0.0.0\n\tgo.opentelemetry.io/otel %[1]s\n"+
			"\tgo.opentelemetry.io/otel/trace %[1]s\n)\n\nreplace github.com/go-zre/go-zre => %[2]q\n", otelVersion(t), root),
		"go.sum": string(ours) + string(library),
		"trace.go": "package trace\n\nimport (\n\t\"context\"\n\t\"encoding/json\"\n\n\t\"go.opentelemetry.io/otel/propagation\"\n)\n\n" +
			string(shown(t)),
		"whisper_test.go": string(test),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOSUMDB=off", "GOWORK=off", "GOTOOLCHAIN=local")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// otelVersion is the version of OpenTelemetry that go.mod names.
func otelVersion(t *testing.T) string {
	t.Helper()
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	_, after, ok := strings.Cut(string(mod), "go.opentelemetry.io/otel v")
	version, _, _ := strings.Cut(after, "\n")
	if !ok {
		t.Fatal("go.mod does not name go.opentelemetry.io/otel")
	}
	return "v" + version
}

// The page shows the code that is tested here.
func TestTraceInDocs(t *testing.T) {
	source := shown(t)
	docs, err := os.ReadFile("../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(docs, source) {
		t.Errorf("docs/operating.md does not have\n%s", source)
	}
}
