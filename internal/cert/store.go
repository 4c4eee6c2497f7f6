package cert

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	lookEvery = 2 * time.Second // a Store looks for changes so often, and only while it is asked
	settled   = 2 * time.Second // a file that is younger may change once more without being seen
	maxFiles  = 10_000          // files and folders below a Store's path
)

// A Store is a set of public keys from certificates: one file, or all files of a folder and the folders in it, as zauth takes
// them. Files that end in _secret and hidden ones are left out. A change holds within lookEvery, for whoever asks after that. It may be used
// by any number of goroutines.
//
// A Store that cannot be read any more has no keys.
type Store struct {
	path string

	mu      sync.Mutex
	looked  time.Time
	files   map[string]entry
	keys    map[Key]*Certificate
	problem error
}

// entry is a file as it was read.
type entry struct {
	modified time.Time
	size     int64
	read     time.Time
	cert     *Certificate
	err      error
}

// OpenStore reads the certificates at path. It fails if there is nothing, if a file is no certificate, or if a folder has files, and none of
// them is one. A folder may be empty: then no key is known yet.
func OpenStore(path string) (*Store, error) {
	s := &Store{path: path}
	s.look()
	if s.problem != nil && len(s.keys) == 0 {
		return nil, s.problem
	}
	return s, nil
}

// Lookup returns the certificate with that public key, or nil. Once in lookEvery it reads the folder, and files that changed.
func (s *Store) Lookup(public Key) *Certificate {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.looked) >= lookEvery {
		s.look()
	}
	return s.keys[public]
}

// Problem returns why keys are missing, or nil: the path cannot be read, or a file is no certificate; then the others count.
func (s *Store) Problem() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.problem
}

// look reads what changed.
func (s *Store) look() {
	s.looked = time.Now()
	files, keys := map[string]entry{}, map[Key]*Certificate{}
	s.problem = nil
	err := s.walk(func(path string, info fs.FileInfo) {
		e, known := s.files[path]
		if !known || !e.modified.Equal(info.ModTime()) || e.size != info.Size() || e.read.Sub(e.modified) < settled {
			e = entry{modified: info.ModTime(), size: info.Size(), read: s.looked}
			e.cert, e.err = LoadPublic(path)
		}
		files[path] = e
		if e.err != nil {
			if s.problem == nil {
				s.problem = e.err
			}
			return
		}
		keys[e.cert.public] = e.cert
	})
	if err != nil {
		files, keys, s.problem = nil, nil, err
	}
	s.files, s.keys = files, keys
}

// walk calls found for each file that should be a certificate.
func (s *Store) walk(found func(path string, info fs.FileInfo)) error {
	info, err := os.Stat(s.path)
	if err != nil {
		return fmt.Errorf("cert: cannot read certificates: %w", err)
	}
	if !info.IsDir() {
		found(s.path, info)
		return nil
	}
	root, err := filepath.EvalSymlinks(s.path)
	if err != nil {
		return fmt.Errorf("cert: cannot read certificates: %w", err)
	}
	count := 0
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if count++; count > maxFiles {
			return fmt.Errorf("more than %d files", maxFiles)
		}
		if path != root && strings.HasPrefix(d.Name(), ".") {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() || strings.HasSuffix(d.Name(), SecretSuffix) {
			return nil
		}
		info, err := os.Stat(path) // of what a link leads to
		if err == nil && info.Mode().IsRegular() {
			found(path, info)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("cert: cannot read the certificates in %s: %w", s.path, err)
	}
	return nil
}
