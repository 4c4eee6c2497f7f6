//go:build linux

package harness

import (
	"math"
	"slices"
	"strings"

	"github.com/go-zre/go-zre/internal/bench"
)

// Row is a line of the table, and an object of docs/performance.json. What was not measured is null, and Note says why.
type Row struct {
	Name      string   `json:"name"`
	Unit      string   `json:"unit"`
	Ours      *float64 `json:"ours"`
	Reference *float64 `json:"reference"`
	Ratio     *float64 `json:"ratio"` // ours / reference
	Target    string   `json:"target"`
	Met       *bool    `json:"met"`

	// Processor time of a message in microseconds, of all processes together.
	OursCPU      *float64 `json:"ours_cpu_us,omitempty"`
	ReferenceCPU *float64 `json:"reference_cpu_us,omitempty"`

	Note string `json:"note,omitempty"`

	goal target
}

func newRows() []*Row {
	var rows []*Row
	for _, s := range specs {
		rows = append(rows, &Row{Name: s.name, Unit: s.unit, Target: s.target.String(), goal: s.target})
	}
	return rows
}

// samples are the results of the rounds for a row.
type samples []float64

func (s samples) max() samples { return samples{slices.Max(s)} }

// set fills a row with medians. reference is nil if there is none.
func (r *Row) set(ours, reference samples) {
	r.Ours = rounded(bench.Median(ours))
	if reference != nil {
		r.Reference = rounded(bench.Median(reference))
		r.Ratio = rounded(bench.Median(ours) / bench.Median(reference))
	}
	r.Met = r.goal.met(r)
}

// rounded keeps four digits: more mean nothing. What JSON cannot express is nil.
func rounded(f float64) *float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil
	}
	if f != 0 {
		scale := math.Pow(10, math.Floor(math.Log10(math.Abs(f)))-3)
		if f = math.Round(f/scale) * scale; scale < 1 {
			f = math.Round(f*1e7) / 1e7
		}
	}
	return &f
}

// missing notes why a row has no figure.
func (r *Row) missing(reason string) {
	if r.Ours == nil && r.Note == "" {
		r.Note = strings.Join(strings.Fields(reason), " ")
	}
}

func (r *Row) setCPU(ours, reference samples) {
	r.OursCPU, r.ReferenceCPU = rounded(bench.Median(ours)), rounded(bench.Median(reference))
}
