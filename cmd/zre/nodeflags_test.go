package main

import (
	"slices"
	"testing"
)

// An endpoint with a public key is accepted like any other value. Whether the node has a certificate depends on another option.
func TestEndpointsWithKeys(t *testing.T) {
	const endpoint = "tcp://robot.example:5671|Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
	for _, name := range []string{"peer", "gossip-connect"} {
		i := slices.IndexFunc(nodeOptions, func(o nodeOption) bool { return o.name == name })
		if err := nodeOptions[i].check(endpoint); err != nil {
			t.Errorf("--%s: %v", name, err)
		}
	}
}
