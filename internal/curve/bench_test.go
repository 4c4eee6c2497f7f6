package curve

import (
	"fmt"
	"testing"

	"golang.org/x/crypto/nacl/box"
)

// BenchmarkHandshake measures both sides, without sockets.
func BenchmarkHandshake(b *testing.B) {
	ours, theirs := pair(b, "client"), pair(b, "server")
	for b.Loop() {
		client, err := NewClient(ours, theirs.Public(), maxCommand)
		if err != nil {
			b.Fatal(err)
		}
		m := handshakeRun{client: client, server: NewServer(theirs, maxCommand), alter: func(_ string, c []byte) []byte { return c }}
		if side, err := m.run(); err != nil {
			b.Fatal(side, err)
		}
	}
}

var sizes = []int{16, 1 << 10, 64 << 10}

func BenchmarkSeal(b *testing.B) {
	for _, size := range sizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			m, plain := completeHandshake(b), make([]byte, size)
			buffer := make([]byte, 0, SealedSize(size)+longHeader)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				_, _ = m.fromClient.Append(buffer, 0, plain)
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, size := range sizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			m, dst := completeHandshake(b), make([]byte, size)
			frame, _ := m.fromClient.Append(nil, 0, make([]byte, size))
			message := bodyOf(frame)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				m.atServer.nonce = 0
				if _, err := m.atServer.Open(dst, message[:Overhead], message[Overhead:]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkNaCl measures a seal of nacl/box for the same sizes, to compare.
func BenchmarkNaCl(b *testing.B) {
	for _, size := range sizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			var key [32]byte
			var nonce [24]byte
			plain, buffer := make([]byte, size+1), make([]byte, 0, size+100)
			b.SetBytes(int64(size))
			for b.Loop() {
				_ = box.SealAfterPrecomputation(buffer, plain, &nonce, &key)
			}
		})
	}
}
