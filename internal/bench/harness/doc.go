// Package harness is what "make bench" runs: it measures this implementation beside others, taking turns round by round, against the
// targets in targets.go, and writes docs/performance.json and the table in docs/performance.md. Everything happens on lo of a separate
// network namespace. It runs on Linux.
//
// Each kind of measurement has a file. To add one: a target, a function, and its line in measurements.
package harness
