//go:build !race

package node

// raceDetector tells whether it is on: memory is several times as much then.
const raceDetector = false
