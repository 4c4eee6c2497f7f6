package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// onLAN runs a test on a simulated network, in fake time.
func onLAN(t *testing.T, test func(t *testing.T, client, server *zretest.Host)) {
	synctest.Test(t, func(t *testing.T) {
		lan := zretest.NewLAN(t)
		test(t, lan.Host("10.0.0.1"), lan.Host("10.0.0.2"))
	})
}

// get runs the client, and returns what it returned and what it left in its folder.
func get(t *testing.T, host *zretest.Host, dir, name string) (names []string, err error) {
	t.Helper()
	err = run(t.Context(), dir, func(node *zre.Node, folder *os.Root) error {
		return (&download{node: node, folder: folder, name: name, wait: 10 * time.Second}).run(t.Context())
	}, zre.WithNetwork(host))
	files, globErr := filepath.Glob(filepath.Join(dir, "*"))
	if globErr != nil {
		t.Fatal(globErr)
	}
	for _, file := range files {
		names = append(names, filepath.Base(file))
	}
	return names, err
}

// A server that lies leaves no file.
func TestLiars(t *testing.T) {
	content := bytes.Repeat([]byte("x"), chunk+1)
	hash := sha256.Sum256(content)
	honest := [][]byte{[]byte(strconv.Itoa(len(content))), hash[:]}
	for _, test := range []struct {
		name string
		stat [][]byte
		read func(offset, length int) []byte
		left int
	}{
		{"honest", honest, func(offset, length int) []byte { return content[offset : offset+length] }, 1},
		{"no hash", honest[:1], nil, 0},
		{"a short hash", [][]byte{honest[0], hash[:8]}, nil, 0},
		{"a negative size", [][]byte{[]byte("-1"), hash[:]}, nil, 0},
		{"no size", [][]byte{[]byte("large"), hash[:]}, nil, 0},
		{"other content", honest, func(_, length int) []byte { return make([]byte, length) }, 0},
		{"too little", honest, func(offset, length int) []byte { return content[offset : offset+length-1] }, 1},
		{"too much", honest, func(_, length int) []byte { return make([]byte, length+1) }, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			onLAN(t, func(t *testing.T, client, server *zretest.Host) {
				node, err := zre.NewNode(zre.WithNetwork(server), zre.WithHeader(service, "yes"))
				if err != nil {
					t.Fatal(err)
				}
				defer node.Close()
				mux := zre.NewMux()
				mux.HandleRequest("file.stat", func(ctx context.Context, r zre.Request) { r.Reply(ctx, test.stat...) })
				mux.HandleRequest("file.read", func(ctx context.Context, r zre.Request) {
					offset, _ := strconv.Atoi(string(r.Frames[2]))
					length, _ := strconv.Atoi(string(r.Frames[3]))
					r.Reply(ctx, test.read(offset, length))
				})
				go node.Serve(t.Context(), mux)
				if err := node.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				names, err := get(t, client, t.TempDir(), "film")
				if (err == nil) != (test.name == "honest") {
					t.Errorf("error %v", err)
				}
				if len(names) != test.left || len(names) == 1 && (names[0] == "film") != (err == nil) {
					t.Errorf("it left %q", names)
				}
			})
		})
	}
}

// A server gives nothing but the files of its folder, and survives whatever it is asked.
func TestServer(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "shared")
	for _, err := range []error{
		os.Mkdir(dir, 0o755),
		os.Mkdir(filepath.Join(dir, "folder"), 0o755),
		os.WriteFile(filepath.Join(base, "secret"), []byte("secret"), 0o600),
		os.WriteFile(filepath.Join(dir, ".hidden"), []byte("secret"), 0o600),
		os.WriteFile(filepath.Join(dir, "film"), []byte("0123456789"), 0o600),
		os.WriteFile(filepath.Join(dir, "large"), make([]byte, chunk+1), 0o600),
		os.Symlink("../secret", filepath.Join(dir, "link")),
	} {
		if err != nil {
			t.Skip(err) // a system without symbolic links
		}
	}
	onLAN(t, func(t *testing.T, client, server *zretest.Host) {
		ctx, end := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			ended <- run(ctx, dir, func(node *zre.Node, folder *os.Root) error { return serve(ctx, node, folder) }, zre.WithNetwork(server))
		}()
		node := zretest.Start(t, client)
		peer := zretest.Next[zre.Enter](node).Peer
		for _, test := range []struct{ ask, want string }{
			{"file.read film 0 4", "0123"},
			{"file.read film 8 2", "89"},
			{"file.read film 0 0", ""},
			{"file.read film 8 3", "error"}, // beyond the end
			{"file.read film 99 1", "error"},
			{"file.read film -1 1", "error"},
			{"file.read film 0 -1", "error"},
			{"file.read film 0 99999999999999999999", "error"},
			{fmt.Sprint("file.read large 0 ", chunk+1), "error"},
			{"file.read film 0", "error"},
			{"file.read film", "error"},
			{"file.read", "error"},
			{"file.stat", "error"},
			{"file.stat nothing", "error"},
			{"file.stat ../secret", "error"},
			{"file.stat /etc/passwd", "error"},
			{`file.stat ..\secret`, "error"},
			{"file.stat link", "error"},
			{"file.stat .hidden", "error"},
			{"file.stat folder", "error"},
			{"file.stat ..", "error"},
			{"file.stat .", "error"},
			{"file.stat film\x00", "error"},
			{"file.delete film", "error"},
		} {
			var frames [][]byte
			for word := range strings.SplitSeq(test.ask, " ") {
				frames = append(frames, []byte(word))
			}
			got := "error"
			if reply, err := node.Request(ctx, peer.UUID, frames...); err == nil {
				got = string(reply.Frames[0])
			} else if strings.Contains(err.Error(), base) {
				t.Errorf("%q: the error tells a path of the server: %v", test.ask, err)
			}
			if got != test.want {
				t.Errorf("%q: %q, want %q", test.ask, got, test.want)
			}
		}
		end()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// A download goes on where it stopped; one whose file has changed meanwhile begins anew.
func TestResume(t *testing.T) {
	for _, test := range []struct {
		name, before, want string
	}{
		{"the beginning is there", "0123", "0123456789"},
		{"all is there", "0123456789", "0123456789"},
		{"more than all is there", "0123456789ab", "0123456789"},
		{"something else is there", "xxxx", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			from, to, content := t.TempDir(), t.TempDir(), []byte("0123456789")
			hash := sha256.Sum256(content)
			part := filepath.Join(to, fmt.Sprintf("film.%x.part", hash[:8]))
			for path, text := range map[string][]byte{filepath.Join(from, "film"): content, part: []byte(test.before)} {
				if err := os.WriteFile(path, text, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			onLAN(t, func(t *testing.T, client, server *zretest.Host) {
				ctx, end := context.WithCancel(t.Context())
				ended := make(chan error)
				go func() {
					ended <- run(ctx, from, func(node *zre.Node, folder *os.Root) error { return serve(ctx, node, folder) },
						zre.WithNetwork(server), zre.WithHeader(service, "yes"))
				}()
				_, err := get(t, client, to, "film")
				if (err == nil) != (test.want != "") {
					t.Errorf("error %v", err)
				}
				end()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
			if got, _ := os.ReadFile(filepath.Join(to, "film")); string(got) != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
			if _, err := os.Stat(part); err == nil {
				t.Error("the part is still there")
			}
		})
	}
}
