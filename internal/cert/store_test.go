package cert

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// folder writes files, and the folders that they are in.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		put(t, filepath.Join(root, name), text)
	}
	return root
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// newTestCertificate returns the text of a public certificate, and its key.
func newTestCertificate(t *testing.T) (string, Key) {
	c := fresh(t)
	return string(c.text(false, time.Now())), c.public
}

func TestStore(t *testing.T) {
	alice, a := newTestCertificate(t)
	bob, b := newTestCertificate(t)
	carol, c := newTestCertificate(t)
	tests := []struct {
		name    string
		files   map[string]string
		path    string // below the folder
		knows   []Key
		open    error
		problem error
	}{
		{"one file", map[string]string{"alice": alice, "bob": bob}, "alice", []Key{a}, nil, nil},
		{"a folder", map[string]string{"alice": alice, "bob": bob}, "", []Key{a, b}, nil, nil},
		{"folders in it", map[string]string{"alice": alice, "x/y/bob": bob}, "", []Key{a, b}, nil, nil},
		{"one key twice", map[string]string{"alice": alice, "again": alice}, "", []Key{a}, nil, nil},
		{"secret and hidden files", map[string]string{"alice": alice, "bob_secret": bob, ".carol": carol, ".hidden/carol": carol}, "", []Key{a}, nil, nil},
		{"a file that is none", map[string]string{"alice": alice, "README": "Keys of the exhibition"}, "", []Key{a}, nil, ErrFormat},
		{"an empty folder", map[string]string{".keep": ""}, "", nil, nil, nil},
		{"files that are none", map[string]string{"README": "x"}, "", nil, ErrFormat, nil},
		{"one file that is none", map[string]string{"README": "x"}, "README", nil, ErrFormat, nil},
		{"nothing", nil, "missing", nil, fs.ErrNotExist, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, err := OpenStore(filepath.Join(folder(t, test.files), test.path))
			if !errors.Is(err, test.open) || err != nil && test.open == nil {
				t.Fatalf("%v, want %v", err, test.open)
			}
			if err != nil {
				return
			}
			for _, key := range []Key{a, b, c, {}} {
				known := false
				for _, k := range test.knows {
					known = known || k == key
				}
				if found := s.Lookup(key); (found != nil) != known || known && found.Public() != key {
					t.Errorf("key %x: found %v, want %v", key[:3], found != nil, known)
				}
			}
			if err := s.Problem(); !errors.Is(err, test.problem) || err != nil && test.problem == nil {
				t.Errorf("problem %v, want %v", err, test.problem)
			}
		})
	}
}

// TestStoreChanges checks that any change takes effect within 8 s.
func TestStoreChanges(t *testing.T) {
	alice, a := newTestCertificate(t)
	bob, b := newTestCertificate(t)
	if len(alice) != len(bob) {
		t.Fatal("the two differ in length")
	}
	moment := time.Now().Add(-time.Hour)
	age := func(path string) { _ = os.Chtimes(path, moment, moment) }
	tests := []struct {
		name   string
		change func(root string)
		knows  []Key
	}{
		{"none", func(string) {}, []Key{a}},
		{"a new file", func(root string) { put(t, root+"/bob", bob) }, []Key{a, b}},
		{"a file removed", func(root string) { _ = os.Remove(root + "/alice") }, nil},
		{"a file replaced", func(root string) { put(t, root+"/alice", bob) }, []Key{b}},
		{"a file renamed over", func(root string) { put(t, root+"/.new", bob); _ = os.Rename(root+"/.new", root+"/alice") }, []Key{b}},
		{"a file replaced, of the same time and size", func(root string) { put(t, root+"/alice", bob); age(root + "/alice") }, []Key{b}},
		{"a file renamed over, of the same time and size", func(root string) {
			put(t, root+"/.new", bob)
			age(root + "/.new")
			_ = os.Rename(root+"/.new", root+"/alice")
		}, []Key{b}},
		{"a key that moved to another file", func(root string) { put(t, root+"/alice", bob); put(t, root+"/bob", alice) }, []Key{a, b}},
		{"two files with one key", func(root string) { put(t, root+"/again", alice) }, []Key{a}},
		{"one of two files with one key removed", func(root string) { put(t, root+"/again", alice); _ = os.Remove(root + "/alice") }, []Key{a}},
		{"a link to a file", func(root string) { put(t, root+"/.bob", bob); link(t, root+"/.bob", root+"/bob") }, []Key{a, b}},
		{"a link to nothing", func(root string) { link(t, root+"/nothing", root+"/bob") }, []Key{a}},
		{"a link to the folder itself", func(root string) { link(t, root, root+"/again") }, []Key{a}},
		{"a hidden file", func(root string) { put(t, root+"/.bob", bob) }, []Key{a}},
		{"a secret file", func(root string) { put(t, root+"/bob_secret", bob) }, []Key{a}},
		{"a long file", func(root string) { put(t, root+"/bob", bob+strings.Repeat("\n", maxFile)) }, []Key{a}},
		{"the folder removed and made again", func(root string) { _ = os.RemoveAll(root); put(t, root+"/bob", bob) }, []Key{b}},
		{"a file that becomes junk", func(root string) { put(t, root+"/alice", "junk") }, nil},
		{"the folder removed", func(root string) { _ = os.RemoveAll(root) }, nil},
		{"a file instead of the folder", func(root string) { _ = os.RemoveAll(root); put(t, root, bob) }, []Key{b}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				root := folder(t, map[string]string{"alice": alice})
				age(root + "/alice")
				s, err := OpenStore(root)
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute) // fake time
				if s.Lookup(a) == nil {
					t.Error("alice is lost")
				}
				test.change(root)
				time.Sleep(8 * time.Second) // fake time
				for _, key := range []Key{a, b} {
					known := len(test.knows) > 0 && (test.knows[0] == key || test.knows[len(test.knows)-1] == key)
					if (s.Lookup(key) != nil) != known {
						t.Errorf("key %x: known should be %v (%v)", key[:3], known, s.Problem())
					}
				}
			})
		})
	}
}

func link(t *testing.T, to, path string) {
	t.Helper()
	if err := os.Symlink(to, path); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
}

// TestStoreLooksForUnknownKeys: a file that was added counts at once for the owner of its key, and unknown keys cause few scans.
func TestStoreLooksForUnknownKeys(t *testing.T) {
	alice, a := newTestCertificate(t)
	bob, b := newTestCertificate(t)
	root := folder(t, map[string]string{"alice": alice})
	synctest.Test(t, func(t *testing.T) {
		s, err := OpenStore(root)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(root+"/bob", []byte(bob), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			key   Key
			after time.Duration
			known bool
		}{{a, scanEveryUnknown, true}, {b, 0, true}} {
			time.Sleep(c.after) // fake time
			if got := s.Lookup(c.key) != nil; got != c.known {
				t.Errorf("key %x after %v: %v", c.key[:3], c.after, got)
			}
		}
		for _, c := range []struct{ took, want time.Duration }{{0, scanEveryUnknown}, {time.Millisecond * 50, restFactor * 50 * time.Millisecond}} {
			s.scanTook = c.took
			s.Lookup(Key{1})
			s.scanTook = c.took // in fake time a look takes none
			looked := s.lastScan
			time.Sleep(c.want - 1) // fake time
			if s.Lookup(Key{1}); s.lastScan != looked {
				t.Errorf("after a look that took %v a stranger causes another one within %v", c.took, c.want)
			}
			time.Sleep(time.Nanosecond) // fake time
			if s.Lookup(Key{1}); s.lastScan == looked {
				t.Errorf("after a look that took %v there is none after %v", c.took, c.want)
			}
		}
	})
}

// TestStoreClosedFolder: what cannot be read has no keys, the rest has.
func TestStoreClosedFolder(t *testing.T) {
	alice, a := newTestCertificate(t)
	bob, b := newTestCertificate(t)
	root := folder(t, map[string]string{"alice": alice, "closed/bob": bob})
	if err := os.Chmod(root+"/closed", 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(root+"/closed", 0o700) })
	if _, err := os.ReadDir(root + "/closed"); err == nil {
		t.Skip("this user may read everything")
	}
	s, err := OpenStore(root)
	if err != nil {
		t.Fatal(err)
	}
	if s.Lookup(a) == nil || s.Lookup(b) != nil || !errors.Is(s.Problem(), fs.ErrPermission) {
		t.Errorf("alice %v, bob %v, problem %v", s.Lookup(a) != nil, s.Lookup(b) != nil, s.Problem())
	}
}

// TestStoreReadsWhatChanged: a folder of many files costs a look at each, and no more.
func TestStoreReadsWhatChanged(t *testing.T) {
	alice, a := newTestCertificate(t)
	root := folder(t, map[string]string{"alice": alice})
	s, err := OpenStore(root)
	if err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(root+"/alice", old, old); err != nil {
		t.Fatal(err)
	}
	s.scan()
	first := s.keys[a]
	s.scan()
	if s.keys[a] != first {
		t.Error("a file that did not change was read again")
	}
	s.lastFullScan = s.lastFullScan.Add(-readEvery)
	s.scan()
	if s.keys[a] == first {
		t.Error("a file was not read again after readEvery")
	}
	first = s.keys[a]
	put(t, root+"/alice", alice)
	s.scan()
	second := s.keys[a]
	if second == first {
		t.Error("a file that changed was not read again")
	}
	if s.scan(); s.keys[a] == second {
		t.Error("a file that changed just now was not read again: it may have changed once more within the clock's step")
	}
}

func TestStoreBounds(t *testing.T) {
	root := folder(t, map[string]string{"long": "#" + strings.Repeat(" ", maxFile)})
	if _, err := OpenStore(root); !errors.Is(err, ErrFormat) {
		t.Errorf("a long file: %v", err)
	}
	alice, _ := newTestCertificate(t)
	root = folder(t, map[string]string{"alice": alice})
	for i := range maxFiles {
		if err := os.Mkdir(filepath.Join(root, "d"+string(rune('a'+i%26))+time.Duration(i).String()), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := OpenStore(root); err == nil || !strings.Contains(err.Error(), "more than 10000 files") {
		t.Errorf("many files: %v", err)
	}
}

// TestStoreManyAsk: handshakes ask concurrently, while the folder changes.
func TestStoreManyAsk(t *testing.T) {
	alice, a := newTestCertificate(t)
	bob, b := newTestCertificate(t)
	root := folder(t, map[string]string{"alice": alice})
	s, err := OpenStore(root)
	if err != nil {
		t.Fatal(err)
	}
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() {
			for range 100 {
				s.mu.Lock()
				s.lastScan = time.Time{} // each one looks
				s.mu.Unlock()
				if s.Lookup(a) == nil {
					t.Error("alice is lost")
				}
				s.Lookup(b)
				_ = s.Problem()
			}
		})
	}
	for range 50 {
		put(t, root+"/bob", bob)
		_ = os.Remove(root + "/bob")
	}
	asking.Wait()
}

// BenchmarkLookup measures what a handshake costs, by the number of files in the folder.
func BenchmarkLookup(b *testing.B) {
	root := b.TempDir()
	var key Key
	for i := range 5000 {
		c, err := New()
		if err != nil {
			b.Fatal(err)
		}
		key = c.public
		if err := os.WriteFile(filepath.Join(root, fmt.Sprint(i)), c.text(false, time.Now()), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	s, err := OpenStore(root)
	if err != nil {
		b.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	for i := range 5000 {
		_ = os.Chtimes(filepath.Join(root, fmt.Sprint(i)), old, old)
	}
	for _, c := range []struct {
		name string
		age  func()
	}{
		{"known", func() { s.lastScan = time.Now() }},
		{"look", func() { s.lastScan, s.lastFullScan = time.Time{}, time.Now() }},
		{"read", func() { s.lastScan, s.lastFullScan = time.Time{}, time.Time{} }},
	} {
		b.Run(c.name, func(b *testing.B) {
			s.scan()
			for b.Loop() {
				c.age()
				if s.Lookup(key) == nil {
					b.Fatal("lost")
				}
			}
		})
	}
}
