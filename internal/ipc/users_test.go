//go:build linux || darwin || freebsd

package ipc

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
)

func TestCheckPeer(t *testing.T) {
	d, id := newDir(t), uuid.New()
	l := listen(t, d, id)
	out, err := d.dial(t.Context(), id)
	must(t, err)
	defer out.Close()
	in, err := l.(*listener).unix.AcceptUnix()
	must(t, err)
	for name, end := range map[string]func(int) error{
		"of Dial":   func(want int) error { return checkPeer(out, want) },
		"of Accept": func(want int) error { return checkPeer(in, want) },
	} {
		t.Run(name, func(t *testing.T) {
			must(t, end(os.Geteuid()))
			if err := end(os.Geteuid() + 1); err == nil || !strings.Contains(err.Error(), "belongs to user") {
				t.Error(err)
			}
		})
	}
	must(t, in.Close())
	if checkPeer(in, os.Geteuid()) == nil {
		t.Error("a closed connection passes")
	}
}

// As if the directory's protection had failed: others reach the socket, and are refused.
func TestAcceptRefusesOthers(t *testing.T) {
	needUsers(t)
	for _, who := range []string{"nobody", "effective"} {
		t.Run(who, func(t *testing.T) {
			d, id := newDir(t), uuid.New()
			l := listen(t, d, id)
			must(t, os.Chmod(d.socket(id), 0o666))
			for _, path := range []string{filepath.Dir(string(d)), string(d), d.home(id)} {
				must(t, os.Chmod(path, 0o755))
			}
			ready(t, who+" dials raw", d.socket(id))
			must(t, os.Chmod(string(d), 0o700))
			must(t, os.Chmod(d.home(id), 0o700))
			meet(t, d, id, l)
		})
	}
}

// As if another user's socket were at our path.
func TestDialRefusesOthers(t *testing.T) {
	needUsers(t)
	for _, who := range []string{"nobody", "effective"} {
		t.Run(who, func(t *testing.T) {
			d, id := newDir(t), uuid.New()
			parent := filepath.Dir(string(d))
			must(t, os.Chmod(parent, 0o777))
			ready(t, who+" listens raw", filepath.Join(parent, "s"))
			must(t, os.Chmod(parent, 0o700))
			must(t, os.MkdirAll(d.home(id), 0o700))
			must(t, os.Rename(filepath.Join(parent, "s"), d.socket(id)))
			_, err := d.Dial(t.Context(), id)
			if err == nil || errors.Is(err, ErrAbsent) || !strings.Contains(err.Error(), "belongs to user 65534") {
				t.Error(err)
			}
		})
	}
}
