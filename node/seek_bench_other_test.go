//go:build !unix

package node

import "time"

// processorTime is not available here.
func processorTime() time.Duration { return 0 }
