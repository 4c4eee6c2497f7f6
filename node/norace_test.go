//go:build !race

package node

// raceDetector reports whether it is on: it multiplies memory use.
const raceDetector = false
