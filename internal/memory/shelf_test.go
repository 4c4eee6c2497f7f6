package memory

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"
)

// Every pooled length fits its class and wastes a quarter at most, and memory of a class goes back to it.
func TestClasses(t *testing.T) {
	t.Parallel()
	last := -1
	for n := Large; n <= largest; n += 1 + rand.IntN(300) {
		class, size := classOf(n)
		again, same := classOf(size)
		switch {
		case class < 0 || class >= len(large), class < last, class > last+1:
			t.Fatalf("%d bytes are of class %d, after %d", n, class, last)
		case size < n || size-n > n/4:
			t.Fatalf("%d bytes get %d", n, size)
		case again != class || same != size:
			t.Fatalf("class %d of %d bytes is %d of %d the second time", class, size, again, same)
		}
		last = class
	}
	for i := range large {
		if class, size := classOf(int(large[i].pieceSize)); class != i || int64(size) != large[i].pieceSize {
			t.Errorf("shelf %d has pieces of %d bytes", i, large[i].pieceSize)
		}
	}
	if class, size := classOf(largest); class != len(large)-1 || size != largest {
		t.Errorf("the longest is of class %d, %d bytes", class, size)
	}
}

// The last piece comes first, and there is a bound.
func TestShelf(t *testing.T) {
	t.Cleanup(func() { shelvedBytes.Store(0) })
	shelvedBytes.Store(0)
	s := shelf[int]{pieceSize: maxShelfBytes / 4}
	for i := range 5 {
		s.put(i)
	}
	for want := 3; want >= 0; want-- {
		if got, ok := s.get(); !ok || got != want {
			t.Errorf("%d (%t), want %d", got, ok, want)
		}
	}
	if _, ok := s.get(); ok {
		t.Error("there is one more")
	}
	if left := shelvedBytes.Load(); left != 0 {
		t.Errorf("%d bytes are left", left)
	}
}

// What was not needed between two trims is dropped, the oldest first.
func TestTrim(t *testing.T) {
	s := shelf[int]{pieceSize: handBytes}
	for i := range 10 {
		s.put(i)
	}
	s.trim() // all are new
	for range 4 {
		s.get()
	}
	for i := range 4 {
		s.put(100 + i)
	}
	s.trim()
	if len(s.stack) != 4 || s.stack[0] != 100 {
		t.Errorf("%v is left", s.stack)
	}
	s.trim()
	if len(s.stack) != 0 {
		t.Errorf("%v is left though it was not needed", s.stack)
	}
}

// Pieces go through hands, a handful at a time: none gets lost, none comes twice, with many that take and give at once.
func TestHands(t *testing.T) {
	t.Parallel()
	const count, goroutines = 100, 4
	s := shelf[*int]{pieceSize: handBytes / maxInHand}
	for i := range count {
		s.put(&i)
	}
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for range 10_000 {
				if piece, ok := s.get(); ok {
					*piece += count // the race detector sees whether another goroutine has it, too
					s.put(piece)
				}
			}
		})
	}
	all.Wait()
	seen := map[int]bool{}
	for piece, ok := s.get(); ok; piece, ok = s.get() {
		seen[*piece%count] = true
	}
	if len(seen) != count {
		t.Errorf("%d pieces are left of %d", len(seen), count)
	}
}

// A trim moves what hands hold back to the shelf, so that an idle one is empty after the second.
func TestTrimOfHands(t *testing.T) {
	t.Parallel()
	s := shelf[int]{pieceSize: handBytes / maxInHand}
	for i := range maxInHand + 3 {
		s.put(i)
	}
	s.get() // takes a handful, and leaves it in the hand
	s.trim()
	if left := len(s.stack); left != maxInHand+2 {
		t.Errorf("%d pieces on the shelf, want %d", left, maxInHand+2)
	}
	s.trim()
	if piece, ok := s.get(); ok {
		t.Errorf("%d is left though it was not needed", piece)
	}
}

// The garbage collector makes shelves trim themselves, again and again.
func TestCollection(t *testing.T) {
	deadline := time.Now().Add(time.Minute)
	for range 3 {
		giveBack(New(Large), ownedWith(0))
		class, _ := classOf(Large)
		for {
			runtime.GC()
			large[class].mu.Lock()
			left := len(large[class].stack)
			large[class].mu.Unlock()
			if left == 0 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d pieces are left", left)
			}
		}
	}
}

// A lease copies large frames, keeps given ones, and gives both back once its creator and all queues are done.
func TestLease(t *testing.T) {
	small, big, huge := []byte("small"), bytes.Repeat([]byte("l"), 20_000), bytes.Repeat([]byte("h"), largest+1)
	for name, given := range map[string]bool{"copies": false, "given": true} {
		l := NewLease()
		l.Take([][]byte{small, big, huge, small}, given)
		for i, want := range [][]byte{small, big, huge, small} {
			got := l.Take(nil, false)[i]
			same := &got[0] == &want[0]
			if !bytes.Equal(got, want) || same != (len(want) < Large || given) {
				t.Errorf("%s: frame %d: %d bytes, the same memory: %t", name, i, len(got), same)
			}
		}
		l.Hold()
		l.Release()
		if len(l.frames) != 4 {
			t.Errorf("%s: a lease that is held is over", name)
		}
		l.Release()
		if len(l.frames) != 0 || len(l.owned) != 0 {
			t.Errorf("%s: a lease that is over still has frames", name)
		}
	}
}
