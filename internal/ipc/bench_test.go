//go:build linux || darwin || freebsd

package ipc

import (
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/google/uuid"
)

// BenchmarkWrite compares with TCP on loopback, in writes as long as zmtp's batches.
func BenchmarkWrite(b *testing.B) {
	for _, size := range []int{64 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("ipc/%dKiB", size>>10), func(b *testing.B) {
			d, id := newDir(b), uuid.New()
			l := listen(b, d, id)
			write(b, size, l, func() (net.Conn, error) { return d.Dial(b.Context(), id) })
		})
		b.Run(fmt.Sprintf("tcp/%dKiB", size>>10), func(b *testing.B) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			must(b, err)
			write(b, size, l, func() (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) })
		})
	}
}

func write(b *testing.B, size int, l net.Listener, dial func() (net.Conn, error)) {
	defer l.Close()
	out, err := dial()
	must(b, err)
	in, err := l.Accept()
	must(b, err)
	read := make(chan int)
	go func() {
		total, buf := 0, make([]byte, 64<<10)
		for {
			n, err := in.Read(buf)
			total += n
			if err != nil {
				break
			}
		}
		_ = in.Close()
		read <- total
	}()
	data := make([]byte, size)
	b.SetBytes(int64(size))
	for b.Loop() {
		if _, err := out.Write(data); err != nil {
			b.Fatal(err)
		}
	}
	_ = out.Close()
	if total := <-read; total < size {
		b.Fatal(io.ErrUnexpectedEOF)
	}
}
