package testbed

import (
	"os"
	"testing"
)

// separation tells whether this process has a network of its own: empty when it has, else why not.
var separation = "TestMain does not call testbed.Main"

// Main is the TestMain of packages that use NewLAN:
//
//	func TestMain(m *testing.M) { testbed.Main(m) }
//
// It runs the test binary once more in new network and mount namespaces, which contain nothing but lo, and exits with
// its result: no datagram of a test can leave the machine, and whatever the tests make (interfaces, namespaces, files in
// /run) vanishes with the process. Root is not needed where the system allows user namespaces. Where it allows nothing
// of this, the tests run in place, and NewLAN calls Missing.
func Main(m *testing.M) {
	os.Exit(separate(m))
}
