//go:build !linux

package testbed

import (
	"runtime"
	"testing"
)

func separate(m *testing.M) int {
	separation = "network namespaces: " + runtime.GOOS + " has none"
	return m.Run()
}
