package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"time"

	"github.com/go-zre/go-zre/zre"
)

const replyTimeout = time.Minute // how long a server may take for a reply

// A download is a file on its way. It has another name until it is complete and its hash is right.
type download struct {
	node   *zre.Node
	folder *os.Root
	name   string
	wait   time.Duration // for a server
}

// run ends when the file is here. When a server goes away it goes on with another one, or with the same when that is back.
func (d *download) run(ctx context.Context) error {
	if err := check(d.name); err != nil {
		return err
	}
	if _, err := d.folder.Lstat(d.name); err == nil {
		return fmt.Errorf("%q is here already", d.name)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for {
		waiting, cancel := context.WithTimeout(ctx, d.wait)
		servers, err := d.node.WaitFor(waiting, 1, zre.HasHeader(service, "yes"))
		cancel()
		if err != nil {
			return fmt.Errorf("there is no server: %w", err)
		}
		for _, server := range servers {
			if err = d.from(ctx, server); err == nil || ctx.Err() != nil {
				return err
			}
			fmt.Fprintf(os.Stderr, "\nfile: from %q: %v\n", server.Name, err)
		}
		if !errors.Is(err, zre.ErrPeerGone) && !errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("%q is not complete", d.name)
		}
	}
}

// from gets what is still missing from one server.
func (d *download) from(ctx context.Context, server *zre.Peer) error {
	reply, err := d.ask(ctx, server, []byte("file.stat"), []byte(d.name))
	if err != nil {
		return err
	}
	size, err := strconv.ParseInt(string(reply.Frames[0]), 10, 64)
	if err != nil || size < 0 || len(reply.Frames) != 2 || len(reply.Frames[1]) != sha256.Size {
		return errors.New("its reply to file.stat is wrong")
	}
	hash := reply.Frames[1]
	part := fmt.Sprintf("%s.%x.part", d.name, hash[:8]) // a file that has changed has another hash, and begins anew
	f, err := d.folder.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := d.copy(ctx, server, f, size); err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(f, 0, size)); err != nil {
		return err
	}
	if !bytes.Equal(sum.Sum(nil), hash) {
		return errors.Join(errors.New("the file has another hash than the server said"), f.Close(), d.folder.Remove(part))
	}
	if err := errors.Join(f.Truncate(size), f.Sync(), f.Close()); err != nil {
		return err
	}
	return d.folder.Rename(part, d.name)
}

// copy appends what is missing to a file, piece by piece. What is there is complete up to its end.
func (d *download) copy(ctx context.Context, server *zre.Peer, f *os.File, size int64) error {
	have, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	for have < size {
		want := min(chunk, size-have)
		reply, err := d.ask(ctx, server, []byte("file.read"), []byte(d.name), strconv.AppendInt(nil, have, 10), strconv.AppendInt(nil, want, 10))
		if err != nil {
			return err
		}
		if got := int64(len(reply.Frames[0])); got != want {
			return fmt.Errorf("it sent %d bytes, want %d", got, want)
		}
		if _, err := f.WriteAt(reply.Frames[0], have); err != nil {
			return err
		}
		reply.Recycle()
		have += want
		fmt.Fprintf(os.Stderr, "\r%s: %d of %d KiB, %d %%", d.name, have>>10, size>>10, have*100/size)
	}
	fmt.Fprintln(os.Stderr)
	return nil
}

// ask waits for the reply of a server, but not for ever: it may hang.
func (d *download) ask(ctx context.Context, server *zre.Peer, frames ...[]byte) (zre.Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, replyTimeout)
	defer cancel()
	return d.node.Request(ctx, server.UUID, frames...)
}
