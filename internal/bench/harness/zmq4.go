//go:build linux

package harness

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-zeromq/zmq4"

	"github.com/go-zre/go-zre/internal/bench"
	"github.com/go-zre/go-zre/msg"
)

// zmq4Variable makes the test binary a ROUTER of stock zmq4.
const zmq4Variable = "ZRE_BENCH_ZMQ4"

// ReceiveZmq4 is the whole program of a process that whispersAndZmq4 starts; it returns false at once in any other. It prints where it listens,
// then how many messages came whenever one has more than two frames.
func ReceiveZmq4() bool {
	if os.Getenv(zmq4Variable) == "" {
		return false
	}
	go func() { // the end of the input is the end
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	router := zmq4.NewRouter(context.Background())
	if err := router.Listen("tcp://127.0.0.1:0"); err != nil {
		fmt.Println(err)
		return true
	}
	fmt.Printf("tcp://%v\n", router.Addr())
	for count := 0; ; {
		m, err := router.Recv()
		if err != nil {
			fmt.Println(err)
			return true
		}
		if count++; len(m.Frames) > 3 { // the identity is one
			fmt.Println(count)
			count = 0
		}
	}
}

// whispersAndZmq4 sends the same frames through the stock sockets of go-zeromq/zmq4, from this process to another.
func whispersAndZmq4(t testing.TB, r *run, size size, row string) {
	t.Setenv(zmq4Variable, "1")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	router := start(t, self)
	endpoint := router.next(t)
	if !strings.HasPrefix(endpoint, "tcp://") {
		t.Fatalf("zmq4: %s", endpoint)
	}
	dealer := zmq4.NewDealer(t.Context(), zmq4.WithID(zmq4.SocketIdentity("\x01sixteen octets!!")))
	defer dealer.Close()
	if err := dealer.Dial(endpoint); err != nil {
		t.Fatalf("zmq4: %v", err)
	}
	count := r.count(20_000, 100)
	content := make([]byte, size.bytes)
	theirs := func() sample {
		began, before := time.Now(), processorOf(t, os.Getpid(), router.pid)
		for i := 1; i <= count; i++ {
			m := zmq4.NewMsgFrom(msg.AppendWhisper(nil, uint16(i)), content)
			if i == count {
				m.Frames = append(m.Frames, nil)
			}
			if err := dealer.SendMulti(m); err != nil {
				t.Fatalf("zmq4: %v", err)
			}
		}
		if got := router.next(t); got != fmt.Sprint(count) {
			t.Fatalf("zmq4: %d messages were sent, %s arrived", count, got)
		}
		return sample{[]float64{float64(count) / time.Since(began).Seconds()}, perMessage(t, before, count, os.Getpid(), router.pid)}
	}
	r.compare([]string{row}, 5, whispers(t, "tcp", bench.Load{Size: size.bytes, Count: r.count(size.count, 200)}), theirs)
}
