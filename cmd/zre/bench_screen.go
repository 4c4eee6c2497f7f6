package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"
)

// The results, with their JSON keys. String formats the same values for people.
type (
	serveResult struct {
		Event string `json:"event"`
		Nodes int    `json:"nodes"`
	}

	sendResult struct {
		Bench              string  `json:"bench"`
		Size               int     `json:"size"`
		Peers              int     `json:"peers"`
		Transport          string  `json:"transport"`
		Seconds            float64 `json:"seconds"`
		Sent               int     `json:"sent"`
		Delivered          uint64  `json:"delivered"`
		MessagesPerSecond  float64 `json:"messages_per_second"`
		MegabytesPerSecond float64 `json:"megabytes_per_second"`
		ProcessorHere      float64 `json:"processor_us_here"`  // per delivered message
		ProcessorThere     float64 `json:"processor_us_there"` // 0 if the servers are in this process
	}

	latencyResult struct {
		Bench     string  `json:"bench"`
		Size      int     `json:"size"`
		Transport string  `json:"transport"`
		Messages  int     `json:"messages"`
		P50       float64 `json:"p50_us"`
		P99       float64 `json:"p99_us"`
		Max       float64 `json:"max_us"`
	}

	// lossResult is an EXIT without a farewell. Its time is negative if it came before all nodes had met.
	lossResult struct {
		Reason  string  `json:"reason"`
		Seconds float64 `json:"seconds"`
	}

	meshResult struct {
		Bench           string       `json:"bench"`
		Nodes           int          `json:"nodes"`
		Peers           int          `json:"peers"`
		Milliseconds    float64      `json:"milliseconds"` // from the last start until all nodes had met
		Watched         float64      `json:"watched_seconds,omitempty"`
		Lost            []lossResult `json:"lost"`
		IdlePercent     float64      `json:"idle_percent"`
		ResidentMiB     float64      `json:"resident_mib"`
		ResidentPeakMiB float64      `json:"resident_peak_mib"`
		Goroutines      int          `json:"goroutines"`
	}
)

func (r serveResult) String() string {
	return fmt.Sprintf("%s ready; interrupt to end", plural(r.Nodes, "server"))
}

func (r sendResult) String() string {
	return fmt.Sprintf("%ss of %s to %s by %s, for %.1f s, all delivered\n  %s messages/s, %.1f MB/s\n  CPU per message: %.2f us here, %.2f us there",
		r.Bench, plural(r.Size, "byte"), plural(r.Peers, "peer"), r.Transport, r.Seconds, thousands(r.MessagesPerSecond), r.MegabytesPerSecond,
		r.ProcessorHere, r.ProcessorThere)
}

func (r latencyResult) String() string {
	return fmt.Sprintf("%s round trips of %s by %s\n  half of them within %.0f us (p50), 99 %% within %.0f us (p99), all within %.0f us (max)",
		thousands(float64(r.Messages)), plural(r.Size, "byte"), r.Transport, r.P50, r.P99, r.Max)
}

func (r meshResult) String() string {
	before, after := 0, 0
	for _, loss := range r.Lost {
		if loss.Seconds < 0 {
			before++
		} else {
			after++
		}
	}
	text := fmt.Sprintf("%s here met %s each, %.1f ms after the last start", plural(r.Nodes, "node"), plural(r.Peers, "peer"), r.Milliseconds)
	if before > 0 {
		text += fmt.Sprintf(", with %s without a farewell meanwhile", plural(before, "exit"))
	}
	return text + fmt.Sprintf("\n  for %.0f s after that: %s without a farewell, %.1f %% of one core, %.0f MiB resident (%.0f at most), %d goroutines",
		r.Watched, plural(after, "exit"), r.IdlePercent, r.ResidentMiB, r.ResidentPeakMiB, r.Goroutines)
}

func plural(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.Itoa(n) + " " + what
}

// thousands writes a number as 1,234,567.
func thousands(f float64) string {
	digits := strconv.FormatFloat(f, 'f', 0, 64)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// screen prints the results and shows the progress of the measurement.
type screen struct {
	out      io.Writer
	json     bool
	progress progress
}

func newScreen(out, errs io.Writer, json bool) *screen {
	s := &screen{out: out, json: json}
	if file, ok := errs.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		s.progress.terminal = file
	}
	return s
}

// result prints a result. The measurement goes on even if its reader is gone.
func (s *screen) result(result any) {
	if s.json {
		_ = jsonTo(s.out).Encode(result)
		return
	}
	fmt.Fprintln(s.out, result)
}

// met reports to programs at once that the nodes of a mesh have met. People see it with the other results.
func (s *screen) met(r meshResult, when time.Time) {
	if s.json {
		s.result(struct {
			Event        string  `json:"event"`
			Milliseconds float64 `json:"milliseconds"`
			When         int64   `json:"unix_ms"`
		}{"met", r.Milliseconds, when.UnixMilli()})
	}
}

// progress is a progress bar on a terminal; without a terminal it does nothing.
type progress struct {
	terminal io.Writer
	shown    time.Time
}

// show draws the bar, at most ten times a second.
func (p *progress) show(part float64) {
	const width = 40
	if p.terminal == nil || time.Since(p.shown) < 100*time.Millisecond {
		return
	}
	if p.shown.IsZero() {
		p.clear()
	}
	p.shown = time.Now()
	full := int(width * min(max(part, 0), 1))
	fmt.Fprintf(p.terminal, "\r[%s%s] %3.0f %%", strings.Repeat("#", full), strings.Repeat(" ", width-full), 100*part)
}

// say shows a line in place of the bar.
func (p *progress) say(text string) {
	p.clear()
	if p.terminal != nil {
		fmt.Fprint(p.terminal, text)
	}
}

func (p *progress) clear() {
	if p.terminal != nil {
		fmt.Fprintf(p.terminal, "\r%70s\r", "")
	}
}

// wait waits for d and advances the bar.
func (p *progress) wait(ctx context.Context, d time.Duration) error {
	began, tick := time.Now(), time.NewTicker(100*time.Millisecond)
	defer tick.Stop()
	end := time.NewTimer(d)
	defer end.Stop()
	for {
		select {
		case <-tick.C:
			p.show(float64(time.Since(began)) / float64(d))
		case <-end.C:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
