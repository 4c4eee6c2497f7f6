//go:build linux

package harness

import (
	"bufio"
	"bytes"
	"encoding/json"
	"testing"

	"github.com/go-zre/go-zre/internal/testbed"
)

// The tool measures between two machines: servers on one, everything else on the other.
func TestToolBetweenHosts(t *testing.T) {
	lan := testbed.NewLAN(t, "")
	a, b := lan.Host("a"), lan.Host("b")
	tool := testbed.ZreTool(t)
	serve := a.Command(tool, "bench", "serve", "--nodes", "2", "--json")
	out, err := serve.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = serve.Cancel()
		_ = serve.Wait() // killed
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != `{"event":"ready","nodes":2}`+"\n" {
		t.Fatalf("serve says %q, %v", line, err)
	}
	for _, test := range []struct {
		args  []string
		above []string // keys whose values are above 0
	}{
		{[]string{"whisper", "--size", "1000"}, []string{"messages_per_second", "megabytes_per_second", "processor_us_here", "processor_us_there"}},
		{[]string{"shout", "--peers", "2"}, []string{"messages_per_second", "processor_us_there"}},
		{[]string{"latency"}, []string{"p50_us", "p99_us", "max_us"}},
		{[]string{"mesh", "--nodes", "3", "--peers", "4"}, []string{"milliseconds", "resident_mib", "goroutines"}},
	} {
		cmd := b.Command(tool, append(append([]string{"bench"}, test.args...), "--time", "300ms", "--json")...)
		text, err := cmd.Output()
		if err != nil {
			t.Fatalf("%q: %v", test.args, err)
		}
		var result map[string]any
		for lines := json.NewDecoder(bytes.NewReader(text)); lines.More(); {
			clear(result)
			if err := lines.Decode(&result); err != nil {
				t.Fatalf("%q: %q: %v", test.args, text, err)
			}
		}
		if by, ok := result["transport"]; ok && by != "tcp" {
			t.Errorf("%q: by %v", test.args, by)
		}
		for _, key := range test.above {
			if value, _ := result[key].(float64); value <= 0 {
				t.Errorf("%q: %s is %v", test.args, key, result[key])
			}
		}
	}
}
