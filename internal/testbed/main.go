package testbed

import (
	"os"
	"testing"
)

// separation tells whether this process has its own network: empty if it has, otherwise why not.
var separation = "TestMain does not call testbed.Main"

// Main is the TestMain of packages that use NewLAN:
//
//	func TestMain(m *testing.M) { testbed.Main(m) }
//
// It runs the test binary once more in new network and mount namespaces, which contain nothing but lo, and exits with its result. No
// datagram of a test can leave the machine, and whatever the tests make (interfaces, namespaces, files in /run) vanishes with the process.
// Root is not needed if the system allows user namespaces. If it allows none of this, the tests run in place, and NewLAN calls Missing.
func Main(m *testing.M) {
	os.Exit(runSeparated(m))
}
