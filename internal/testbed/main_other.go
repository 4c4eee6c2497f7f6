//go:build !linux

package testbed

import (
	"runtime"
	"testing"
)

// Sandbox does nothing here.
func Sandbox() {}

func runSeparated(m *testing.M) int {
	separation = "network namespaces: " + runtime.GOOS + " has none"
	return m.Run()
}
