//go:build linux

package faultmatrix

import (
	"flag"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/go-zre/go-zre/internal/testbed"
)

var (
	allFlag      = flag.Bool("faults.all", false, "run every cell of the matrix, not just enough to have each fault, load and ending once")
	seedFlag     = flag.Uint64("faults.seed", 1, "the `seed` of the bad cables' luck")
	parallelFlag = flag.Int("faults.parallel", 20, "run this `number` of cells at once: most of their time is waiting")
)

func TestMain(m *testing.M) { testbed.Main(m) }

// Whatever happens to one of three nodes, the two others never lose each other, every node gets a true story, and the live nodes meet
// again.
func TestMatrix(t *testing.T) {
	testbed.NewLAN(t, "") // reports what is missing, once
	free, running := make(chan struct{}, *parallelFlag), sync.WaitGroup{}
	for _, c := range cells() {
		free <- struct{}{}
		running.Go(func() {
			defer func() { <-free }()
			t.Run(c.String(), c.run)
		})
	}
	running.Wait()
	t.Log(results.table())
}

// cells returns the cells to run: all, or the diagonal.
func cells() (list []*cell) {
	for i, fault := range faults {
		for j, load := range loads {
			for k, ending := range endings {
				if *allFlag || j == i%len(loads) && k == i%len(endings) {
					list = append(list, &cell{fault: fault, load: load, ending: ending})
				}
			}
		}
	}
	return list
}

func (c *cell) String() string { return c.fault.name + "/" + c.load.name + "/" + c.ending.name }

// command returns the command that repeats the cell.
func (c *cell) command() string {
	return fmt.Sprintf("go test ./internal/faultmatrix -run '^TestMatrix$/^%s$' -faults.all -faults.seed=%d",
		strings.ReplaceAll(c.String(), "/", "$/^"), *seedFlag)
}
