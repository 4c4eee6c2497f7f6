package zre_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/go-zre/go-zre/zre"
)

// Requests over real sockets, many at once from several goroutines, with recycled memory.
func TestRequestsOnSockets(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"tcp", "ipc", "inproc"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			port := port()
			server := start(t, port, zre.WithTransports("tcp", transport))
			client := start(t, port, zre.WithTransports("tcp", transport))
			mux := zre.NewMux()
			mux.HandleRequest("*", func(ctx context.Context, r zre.Request) {
				if err := r.Reply(ctx, r.Frames...); err != nil {
					t.Error(err)
				}
				r.Recycle()
			})
			served := make(chan error, 1)
			go func() { served <- server.Serve(context.Background(), mux) }()
			next[zre.Enter](t, client)
			var clients sync.WaitGroup
			for i := range 20 {
				clients.Go(func() {
					for j := range 50 {
						name, data := fmt.Append(nil, i, j), bytes.Repeat([]byte{byte(i)}, 20_000*(j%2)+j)
						reply, err := client.Request(t.Context(), server.UUID(), name, data)
						if err != nil || !bytes.Equal(reply.Frames[0], name) || !bytes.Equal(reply.Frames[1], data) {
							t.Errorf("%s: %v", name, err)
							return
						}
						reply.Recycle()
					}
				})
			}
			clients.Wait()
			pending, err := client.StartRequest(t.Context(), server.UUID(), []byte("last"))
			if err != nil {
				t.Fatal(err)
			}
			<-pending.Done()
			if err := server.Close(); err != nil {
				t.Error(err)
			}
			if err := <-served; !errors.Is(err, zre.ErrClosed) {
				t.Errorf("Serve returned %v", err)
			}
			if reply, err := pending.Result(); err != nil || string(reply.Frames[0]) != "last" {
				t.Errorf("%q, %v", reply.Frames, err)
			}
		})
	}
}
