//go:build linux || darwin || freebsd

package ipc

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
)

func TestADeadNodesPlaceIsTaken(t *testing.T) {
	d, id := newDir(t), uuid.New()
	leaveDeadSocket(t, d, id)
	meet(t, d, id, listen(t, d, id))
}

func TestALivingNodeKeepsItsPlace(t *testing.T) {
	taken := func(t *testing.T, d Dir, id uuid.UUID) {
		t.Helper()
		if l, err := d.Listen(id); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("%v, %v", l, err)
		}
	}
	t.Run("of this process", func(t *testing.T) {
		d, id := newDir(t), uuid.New()
		l := listen(t, d, id)
		taken(t, d, id)
		meet(t, d, id, l)
	})
	t.Run("of another process", func(t *testing.T) {
		d, id := newDir(t), uuid.New()
		ready(t, "it listens", string(d), id.String())
		taken(t, d, id)
		conn, err := d.Dial(t.Context(), id)
		must(t, err)
		_ = conn.Close()
	})
}

func TestListenSweeps(t *testing.T) {
	d := newDir(t)
	dead, begun, young, living, other := uuid.New(), uuid.New(), uuid.New(), uuid.New(), uuid.New()
	leaveDeadSocket(t, d, dead)
	l := listen(t, d, living)
	ready(t, "it listens", string(d), other.String())
	must(t, os.Mkdir(d.home(begun), 0o700)) // killed before it listened

	full, odd, open := d.home(uuid.New()), d.home(uuid.New()), d.home(uuid.New())
	notes, directory := filepath.Join(string(d), "notes"), filepath.Join(string(d), "0123")
	must(t, os.Mkdir(full, 0o700))
	must(t, os.Mkdir(open, 0o755))
	must(t, os.Mkdir(directory, 0o700))
	for _, path := range []string{notes, odd, filepath.Join(full, "notes")} {
		must(t, os.WriteFile(path, nil, 0o600))
	}

	entries, err := os.ReadDir(string(d))
	must(t, err)
	for _, entry := range entries {
		must(t, os.Chtimes(filepath.Join(string(d), entry.Name()), time.Unix(1, 0), time.Unix(1, 0)))
	}
	must(t, os.Mkdir(d.home(young), 0o700))

	listen(t, d, uuid.New())
	for _, id := range []uuid.UUID{dead, begun} {
		gone(t, d.home(id))
	}
	for _, path := range []string{full, odd, open, notes, directory, d.home(young), d.socket(other), d.socket(living)} {
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("swept away: %v", err)
		}
	}
	meet(t, d, living, l) // and that is the first connection that it sees
}

// The remains of many dead nodes take several sweeps, none of them long.
func TestSweepIsBounded(t *testing.T) {
	d := newDir(t)
	for range 150 {
		must(t, os.MkdirAll(d.home(uuid.New()), 0o700))
	}
	for _, want := range []int{50, 0} {
		d.sweep(0)
		left, err := os.ReadDir(string(d))
		must(t, err)
		if len(left) != want {
			t.Fatalf("%d are left, not %d", len(left), want)
		}
	}
}

func TestCloseLeavesASuccessorAlone(t *testing.T) {
	d, id := newDir(t), uuid.New()
	old := listen(t, d, id)
	must(t, os.RemoveAll(string(d))) // /tmp is emptied
	successor := listen(t, d, id)
	must(t, old.Close())
	meet(t, d, id, successor)
}

func TestCloseLeavesAStartingSuccessorAlone(t *testing.T) {
	d, id := newDir(t), uuid.New()
	old := listen(t, d, id)
	must(t, os.RemoveAll(d.home(id)))
	successor, err := d.openHome(id)
	must(t, err)
	must(t, old.Close())
	if !successor.isCurrent() {
		t.Error("its directory is gone")
	}
	successor.remove()
	gone(t, d.home(id))
}

func TestAFailedListenHoldsNothing(t *testing.T) {
	d, id := newDir(t), uuid.New()
	must(t, os.MkdirAll(d.home(id), 0o700))
	must(t, os.Mkdir(d.socket(id), 0o700))
	if _, err := d.Listen(id); err == nil {
		t.Fatal("it listens on a directory")
	}
	must(t, os.Remove(d.socket(id)))
	meet(t, d, id, listen(t, d, id))
}

func TestOneOfManyListens(t *testing.T) {
	d, id := newDir(t), uuid.New()
	leaveDeadSocket(t, d, id)
	const many = 8
	listeners := make(chan net.Listener, many)
	var wg sync.WaitGroup
	for range many {
		wg.Go(func() {
			l, err := d.Listen(id)
			if err == nil {
				listeners <- l
			} else if !errors.Is(err, syscall.EADDRINUSE) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(listeners) != 1 {
		t.Fatalf("%d listen", len(listeners))
	}
	l := <-listeners
	meet(t, d, id, l)
	must(t, l.Close())
}

// Nodes come and go together while sweeps run; some share a UUID. A listener is found until it closes.
func TestComingAndGoing(t *testing.T) {
	d, shared := newDir(t), uuid.New()
	const nodes, rounds = 6, 20
	var wg sync.WaitGroup
	for i := range nodes {
		wg.Go(func() {
			id := shared
			if i%2 == 0 {
				id = uuid.New()
			}
			for done, refused := 0, 0; done < rounds && !t.Failed(); {
				l, err := d.Listen(id)
				if errors.Is(err, syscall.EADDRINUSE) && refused < 100 {
					refused++
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				d.sweep(0)
				conn, err := d.Dial(t.Context(), id)
				if err != nil {
					t.Error(err)
				} else {
					_ = conn.Close()
				}
				if err := l.Close(); err != nil {
					t.Error(err)
				}
				done++
			}
		})
	}
	wg.Wait()
	left, err := os.ReadDir(string(d))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
