package salsa

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/crypto/salsa20/salsa" //lint:ignore SA1019 to compare with
)

// check compares with golang.org/x/crypto's, in memory of its own and in place, with octets around that must stay.
func check(t *testing.T, key *[32]byte, counter *[16]byte, src []byte) {
	t.Helper()
	want := make([]byte, len(src))
	salsa.XORKeyStream(want, src, counter, key)
	before := *counter
	const margin = 40
	for _, inPlace := range []bool{false, true} {
		memory := bytes.Repeat([]byte{0xA5}, len(src)+2*margin)
		dst, from := memory[margin:margin+len(src)], src
		if inPlace {
			copy(dst, src)
			from = dst
		}
		XORKeyStream(dst, from, counter, key)
		if !bytes.Equal(dst, want) || *counter != before {
			t.Fatalf("%d bytes from %x, in place: %v: another stream", len(src), counter, inPlace)
		}
		if around := append(memory[:margin:margin], memory[margin+len(src):]...); !bytes.Equal(around, bytes.Repeat([]byte{0xA5}, 2*margin)) {
			t.Fatalf("%d bytes: it wrote beside them", len(src))
		}
	}
}

func TestStream(t *testing.T) {
	if !isFast {
		t.Skip("the processor has no AVX2")
	}
	random := rand.NewChaCha8([32]byte{1})
	var key [32]byte
	var counter [16]byte
	for _, first := range []uint64{0, 1, 4, 1 << 20, math.MaxUint32 - 8, math.MaxUint32 - 7, math.MaxUint32, math.MaxUint32 + 1, 1<<40 + 3, math.MaxUint64} {
		for _, size := range []int{0, 1, 63, 64, 511, 512, 513, 1023, 1024, 1025, 4096, 65_313, 65_536} {
			src := make([]byte, size)
			_, _ = random.Read(src)
			_, _ = random.Read(key[:])
			_, _ = random.Read(counter[:8])
			binary.LittleEndian.PutUint64(counter[8:], first)
			check(t, &key, &counter, src)
		}
	}
}

// The assembly is what gen.go writes.
func TestGenerated(t *testing.T) {
	want, err := exec.Command("go", "run", "gen.go", "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile("salsa_amd64.s"); err != nil || !bytes.Equal(got, want) {
		t.Errorf("salsa_amd64.s is out of date: go generate (%v)", err)
	}
}

func FuzzStream(f *testing.F) {
	f.Add(make([]byte, 48), 1500)
	f.Fuzz(func(t *testing.T, start []byte, size int) {
		if len(start) < 48 || size < 0 || size > 1<<16 {
			return
		}
		src := make([]byte, size)
		for i := range src {
			src[i] = start[i%len(start)]
		}
		check(t, (*[32]byte)(start), (*[16]byte)(start[32:]), src)
	})
}

func BenchmarkStream(b *testing.B) {
	defer func(was bool) { isFast = was }(isFast)
	for _, fast := range []bool{true, false} {
		for _, size := range []int{512, 1 << 10, 8 << 10, 64 << 10} {
			b.Run(fmt.Sprintf("fast %v/%d", fast, size), func(b *testing.B) {
				isFast = fast
				var key [32]byte
				var counter [16]byte
				data := make([]byte, size)
				b.SetBytes(int64(size))
				for b.Loop() {
					XORKeyStream(data, data, &counter, &key)
				}
			})
		}
	}
}
