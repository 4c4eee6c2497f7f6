//go:build linux || darwin || freebsd

package ipc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"
)

func TestPath(t *testing.T) {
	if want := Dir(fmt.Sprintf("/tmp/zre-%d", os.Geteuid())); Default() != want {
		t.Errorf("the default directory is %s, not %s", Default(), want)
	}
	got := Dir("/tmp/zre-7").socket(uuid.MustParse("01234567-89ab-cdef-0123-456789abcdef"))
	if want := "/tmp/zre-7/0123456789abcdef0123456789abcdef/socket"; got != want {
		t.Errorf("the path is %s, not %s", got, want)
	}
}

func TestListenAndDial(t *testing.T) {
	d, id := newDir(t), uuid.New()
	l := listen(t, d, id)
	meet(t, d, id, l)
	if got := l.Addr().String(); got != d.socket(id) {
		t.Errorf("the address is %s", got)
	}
	must(t, l.Close())
	if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		t.Errorf("closing again: %v", err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after Close: %v", err)
	}
	gone(t, d.home(id))
	meet(t, d, id, listen(t, d, id))
}

func TestModesWhateverTheUmask(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o077, 0o777} {
		t.Run(fmt.Sprintf("%03o", umask), func(t *testing.T) {
			d, id := newDir(t), uuid.New()
			old := syscall.Umask(umask)
			l, err := d.Listen(id)
			syscall.Umask(old)
			must(t, err)
			defer l.Close()
			for path, want := range map[string]fs.FileMode{
				string(d):    fs.ModeDir | 0o700,
				d.home(id):   fs.ModeDir | 0o700,
				d.socket(id): fs.ModeSocket | 0o600,
			} {
				info, err := os.Lstat(path)
				must(t, err)
				if info.Mode() != want {
					t.Errorf("%s has mode %v, not %v", path, info.Mode(), want)
				}
			}
			meet(t, d, id, l)
		})
	}
}

// A path that is not safe, or not as it must be, is neither listened on nor dialled, and is not reported as absent.
func TestRefused(t *testing.T) {
	id := uuid.New()
	mkdir := func(t *testing.T, path string, mode fs.FileMode) {
		must(t, os.Mkdir(path, 0o700))
		must(t, os.Chmod(path, mode))
	}
	file := func(t *testing.T, path string) { must(t, os.WriteFile(path, nil, 0o600)) }
	for name, tt := range map[string]struct {
		prepare func(t *testing.T, d Dir) Dir
		want    string
	}{
		"directory is a symlink": {func(t *testing.T, d Dir) Dir {
			there := newDir(t)
			listen(t, there, id)
			must(t, os.Symlink(string(there), string(d)))
			return d
		}, "not a directory"},
		"directory is a dangling symlink": {func(t *testing.T, d Dir) Dir {
			must(t, os.Symlink(string(d)+"-nowhere", string(d)))
			return d
		}, "not a directory"},
		"directory is a file": {func(t *testing.T, d Dir) Dir { file(t, string(d)); return d }, "not a directory"},
		"directory others may read": {func(t *testing.T, d Dir) Dir {
			mkdir(t, string(d), 0o755)
			return d
		}, "0755"},
		"directory the group may write": {func(t *testing.T, d Dir) Dir {
			mkdir(t, string(d), 0o770)
			return d
		}, "0770"},
		"directory of another user": {func(t *testing.T, d Dir) Dir {
			if os.Geteuid() != 0 {
				return "/usr" // root's
			}
			needUsers(t)
			mkdir(t, string(d), 0o700)
			must(t, os.Chown(string(d), nobody, -1))
			return d
		}, "belongs to user"},
		"parent others may write": {func(t *testing.T, d Dir) Dir {
			must(t, os.Chmod(filepath.Dir(string(d)), 0o777))
			return d
		}, "sticky"},
		"parent is a file": {func(t *testing.T, d Dir) Dir {
			file(t, string(d))
			return d + "/below"
		}, "not a directory"},
		"path too long": {func(t *testing.T, d Dir) Dir {
			return Dir(filepath.Join(string(d), "..", strings.Repeat("x", maxPath)))
		}, "too long"},
		"node's directory is a symlink": {func(t *testing.T, d Dir) Dir {
			there := newDir(t)
			listen(t, there, id)
			mkdir(t, string(d), 0o700)
			must(t, os.Symlink(there.home(id), d.home(id)))
			return d
		}, "not a directory"},
		"node's directory is a file": {func(t *testing.T, d Dir) Dir {
			mkdir(t, string(d), 0o700)
			file(t, d.home(id))
			return d
		}, "not a directory"},
		"node's directory others may enter": {func(t *testing.T, d Dir) Dir {
			mkdir(t, string(d), 0o700)
			mkdir(t, d.home(id), 0o711)
			return d
		}, "0711"},
		"socket is a file": {func(t *testing.T, d Dir) Dir {
			mkdir(t, string(d), 0o700)
			mkdir(t, d.home(id), 0o700)
			file(t, d.socket(id))
			return d
		}, "not a socket"},
		"socket is a symlink": {func(t *testing.T, d Dir) Dir {
			mkdir(t, string(d), 0o700)
			mkdir(t, d.home(id), 0o700)
			there := newDir(t)
			listen(t, there, id)
			must(t, os.Symlink(there.socket(id), d.socket(id)))
			return d
		}, "not a socket"},
	} {
		t.Run(name, func(t *testing.T) {
			d := tt.prepare(t, newDir(t))
			l, err := d.Listen(id)
			if err == nil {
				_ = l.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Listen: %v, want %q", err, tt.want)
			}
			conn, err := d.Dial(t.Context(), id)
			if err == nil {
				_ = conn.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, ErrAbsent) {
				t.Errorf("Dial: %v, want %q", err, tt.want)
			}
		})
	}
}

func TestDialFindsNoListener(t *testing.T) {
	id := uuid.New()
	for name, prepare := range map[string]func(t *testing.T, d Dir) Dir{
		"no parent":           func(t *testing.T, d Dir) Dir { return d + "/x" },
		"no directory":        func(t *testing.T, d Dir) Dir { return d },
		"no node's directory": func(t *testing.T, d Dir) Dir { must(t, os.Mkdir(string(d), 0o700)); return d },
		"no socket": func(t *testing.T, d Dir) Dir {
			must(t, os.MkdirAll(d.home(id), 0o700))
			return d
		},
		"another node": func(t *testing.T, d Dir) Dir { listen(t, d, uuid.New()); return d },
		"a dead one":   func(t *testing.T, d Dir) Dir { leaveDeadSocket(t, d, id); return d },
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := prepare(t, newDir(t)).Dial(t.Context(), id)
			if !errors.Is(err, ErrAbsent) {
				t.Errorf("%v, %v", conn, err)
			}
		})
	}
}

// leaveDeadSocket leaves what a killed node leaves.
func leaveDeadSocket(t *testing.T, d Dir, id uuid.UUID) {
	t.Helper()
	node := ready(t, "it listens", string(d), id.String())
	must(t, node.Process.Kill())
	_ = node.Wait()
	if _, err := os.Lstat(d.socket(id)); err != nil {
		t.Fatalf("it left no socket: %v", err)
	}
}

func TestDialContext(t *testing.T) {
	d, id := newDir(t), uuid.New()
	listen(t, d, id)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Dial(ctx, id); !errors.Is(err, context.Canceled) || errors.Is(err, ErrAbsent) {
		t.Error(err)
	}
}

func TestListenCannotMakeItsDirectory(t *testing.T) {
	t.Run("no parent", func(t *testing.T) {
		if _, err := (newDir(t) + "/x").Listen(uuid.New()); !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	})
	t.Run("parent is read-only", func(t *testing.T) {
		d := newDir(t)
		must(t, os.Chmod(filepath.Dir(string(d)), 0o555))
		who := "it listens"
		if os.Geteuid() == 0 { // modes don't stop root
			needUsers(t)
			who = "nobody listens"
		}
		_, says := start(t, who, string(d), uuid.NewString())
		if !strings.HasPrefix(says, "ipc: cannot make "+string(d)) {
			t.Error(says)
		}
	})
}

// The caller tells by the system's error whether Accept may succeed later: it does when a file descriptor is free again.
func TestAcceptErrors(t *testing.T) {
	d, id := newDir(t), uuid.New()
	l := listen(t, d, id)
	out, err := d.Dial(t.Context(), id)
	must(t, err)
	defer out.Close()
	var limit unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	none := limit
	none.Cur = 1
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &none))
	_, err = l.Accept()
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
	if !errors.Is(err, syscall.EMFILE) {
		t.Errorf("Accept without a free file descriptor: got %v, want EMFILE", err)
	}
	in, err := l.Accept()
	must(t, err)
	in.Close()
	must(t, l.Close())
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after Close: got %v, want net.ErrClosed", err)
	}
}

func TestBuffers(t *testing.T) {
	d, id := newDir(t), uuid.New()
	l := listen(t, d, id)
	size := func(conn net.Conn) int {
		raw, err := conn.(*net.UnixConn).SyscallConn()
		must(t, err)
		var n int
		must(t, raw.Control(func(fd uintptr) { n, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF) }))
		must(t, err)
		return n
	}
	plain, err := net.Dial("unix", d.socket(id))
	must(t, err)
	defer plain.Close()
	in, err := l.Accept()
	must(t, err)
	defer in.Close()
	out, err := d.Dial(t.Context(), id)
	must(t, err)
	defer out.Close()
	if size(in) <= size(plain) || size(out) != size(in) {
		t.Errorf("send buffers: by default %d bytes, of Accept %d, of Dial %d", size(plain), size(in), size(out))
	}
}
