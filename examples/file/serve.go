package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/go-zre/go-zre/zre"
)

// serve answers requests for the files of a folder until ctx ends.
func serve(ctx context.Context, node *zre.Node, folder *os.Root) error {
	mux := zre.NewMux()
	mux.HandleRequest("file.stat", func(ctx context.Context, r zre.Request) { answer(ctx, r, 2, folder, stat) })
	mux.HandleRequest("file.read", func(ctx context.Context, r zre.Request) { answer(ctx, r, 4, folder, read) })
	mux.HandleProblem(func(_ context.Context, problem zre.Problem) { fmt.Fprintln(os.Stderr, "file:", problem) })
	return node.Serve(ctx, mux)
}

// answer opens the file that a request names, and replies with what get makes of it.
func answer(ctx context.Context, r zre.Request, frames int, folder *os.Root, get func(*os.File, [][]byte) ([][]byte, error)) {
	reply, err := func() ([][]byte, error) {
		if len(r.Frames) != frames {
			return nil, fmt.Errorf("%d frames, want %d", len(r.Frames), frames)
		}
		f, err := open(folder, string(r.Frames[1]))
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return get(f, r.Frames[2:])
	}()
	if err != nil {
		fmt.Fprintf(os.Stderr, "file: %q: %v\n", r.Peer.Name, err)
		err = r.ReplyError(ctx, err.Error())
	} else {
		err = r.Reply(ctx, reply...)
	}
	if err != nil && !errors.Is(err, zre.ErrUnknownPeer) { // it has left
		fmt.Fprintf(os.Stderr, "file: %q got no reply: %v\n", r.Peer.Name, err)
	}
}

// errCannot is what a peer is told. It need not know more of this machine.
var errCannot = errors.New("there is no such file, it has changed, or it cannot be read")

func open(folder *os.Root, name string) (*os.File, error) {
	if err := check(name); err != nil {
		return nil, err
	}
	info, err := folder.Stat(name) // first, since to open a pipe may take for ever
	if err != nil {
		return nil, errCannot
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%q is not a file", name)
	}
	f, err := folder.Open(name)
	if err != nil {
		return nil, errCannot
	}
	return f, nil
}

func stat(f *os.File, _ [][]byte) ([][]byte, error) {
	hash := sha256.New()
	size, err := io.Copy(hash, f)
	if err != nil {
		return nil, errCannot
	}
	return [][]byte{strconv.AppendInt(nil, size, 10), hash.Sum(nil)}, nil
}

func read(f *os.File, args [][]byte) ([][]byte, error) {
	offset, err1 := strconv.ParseInt(string(args[0]), 10, 64)
	length, err2 := strconv.ParseInt(string(args[1]), 10, 64)
	if err1 != nil || err2 != nil || offset < 0 || length < 0 || length > chunk {
		return nil, errors.New("the offset or length cannot be used")
	}
	data := make([]byte, length)
	if _, err := f.ReadAt(data, offset); err != nil {
		return nil, errCannot
	}
	return [][]byte{data}, nil
}
