package bench

import (
	"fmt"

	"github.com/go-zre/go-zre/zre"
)

// Findable returns an error if the beacons of a started node lack something that they need. A node would wait for it, and there is nothing
// to measure meanwhile.
func Findable(node *zre.Node) error {
	for _, p := range node.Problems() {
		switch p.Kind {
		case zre.ProblemInterfaceMissing, zre.ProblemInterfacesUnknown, zre.ProblemBeaconPort:
			return fmt.Errorf("no peer can be found: %v", p)
		}
	}
	return nil
}
