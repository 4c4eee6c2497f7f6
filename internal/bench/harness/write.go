//go:build linux

package harness

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// WriteJSON writes rows in the form of docs/performance.json.
func WriteJSON(path string, rows []*Row) error {
	text, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

const (
	begin = "<!-- made by make bench: begin -->\n"
	end   = "<!-- made by make bench: end -->\n"
)

// WriteMarkdown puts the table of rows in its place in a document.
func WriteMarkdown(path string, rows []*Row) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := bytes.Cut(text, []byte(begin))
	_, after, closed := bytes.Cut(rest, []byte(end))
	if !ok || !closed {
		return fmt.Errorf("%s: the lines %q and %q are missing, between which the table goes", path, strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	var out bytes.Buffer
	out.Write(before)
	out.WriteString(begin)
	fmt.Fprintf(&out, "%s\n\n%s", machine(), Table(rows))
	out.WriteString(end)
	out.Write(after)
	return os.WriteFile(path, out.Bytes(), 0o644)
}

// Table returns a Markdown table that is also readable on a terminal.
func Table(rows []*Row) string {
	head := []string{"what", "unit", "ours", "reference", "ratio", "target", "met", "CPU us/message: ours, reference", "note"}
	lines := [][]string{head}
	for _, r := range rows {
		cpu := ""
		if r.OursCPU != nil && r.ReferenceCPU != nil {
			cpu = number(r.OursCPU) + ", " + number(r.ReferenceCPU)
		}
		lines = append(lines, []string{r.Name, r.Unit, number(r.Ours), number(r.Reference), number(r.Ratio), r.Target, metText(r.Met), cpu, r.Note})
	}
	width := make([]int, len(head))
	for _, line := range lines {
		for i, cell := range line {
			width[i] = max(width[i], len(cell))
		}
	}
	var out strings.Builder
	for n, line := range lines {
		for i, cell := range line {
			fmt.Fprintf(&out, "| %-*s ", width[i], strings.ReplaceAll(cell, "|", "/"))
		}
		out.WriteString("|\n")
		if n == 0 {
			for i := range line {
				out.WriteString("|" + strings.Repeat("-", width[i]+2))
			}
			out.WriteString("|\n")
		}
	}
	return out.String()
}

// number formats a figure as 1,234,567 or 0.123.
func number(f *float64) string {
	if f == nil {
		return ""
	}
	text := strconv.FormatFloat(*f, 'f', -1, 64)
	whole, part, _ := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0 && whole[i-1] != '-'; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if part != "" {
		whole += "." + part
	}
	return whole
}

func metText(met *bool) string {
	switch {
	case met == nil:
		return ""
	case *met:
		return "yes"
	}
	return "NO"
}

// machine describes the machine of the measurement.
func machine() string {
	model := runtime.GOARCH
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	kernel := ""
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		release, _, _ := strings.Cut(unix.ByteSliceToString(name.Release[:]), "-")
		kernel = "Linux " + release + ", "
	}
	return fmt.Sprintf("Measured on %d cores of a machine with %s, %s%s.", runtime.NumCPU(), model, kernel, runtime.Version())
}
