package cert

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	scanEvery        = 2 * time.Second        // how often a Store looks for changes, and only while it is asked
	scanEveryUnknown = 250 * time.Millisecond // how often if it does not know a key: a file that was just added should count
	restFactor       = 20                     // strangers' keys must not keep it busy: it rests this many times as long as the last look took
	settleTime       = 2 * time.Second        // a younger file may change once more without being seen
	readEvery        = 5 * time.Second        // each file is read again at the first look after this: tools that copy keep times and sizes
	maxFiles         = 10_000                 // files and folders below a Store's path
)

// A Store is a set of public keys from certificates: one file, or all files of a folder and the folders in it, as zauth reads them. Files
// that end in _secret and hidden ones are left out; links to files are followed, links to folders are not. A change takes effect within 8
// s, and mostly within scanEvery, for calls after that. It may be used by any number of goroutines.
//
// A Store that can no longer be read has no keys. A file or folder in it that cannot be read has none; the others count.
type Store struct {
	path string

	mu           sync.Mutex
	lastScan     time.Time
	scanTook     time.Duration // of the last look
	lastFullScan time.Time     // when all files were last read
	files        map[string]entry
	keys         map[Key]*Certificate
	problem      error
}

// entry is a file as it was read.
type entry struct {
	info fs.FileInfo
	read time.Time
	cert *Certificate
	err  error
}

// isUnchanged tells whether the file is still as it was read, as far as that can be seen from outside.
func (e *entry) isUnchanged(info fs.FileInfo) bool {
	return e.info.ModTime().Equal(info.ModTime()) && e.info.Size() == info.Size() && os.SameFile(e.info, info) && e.read.Sub(info.ModTime()) >= settleTime
}

// OpenStore reads the certificates at path. It fails if path does not exist, if a file is no certificate, or if a folder has files but no
// certificate. A folder may be empty: then no key is known yet.
func OpenStore(path string) (*Store, error) {
	s := &Store{path: path}
	s.scan()
	if s.problem != nil && len(s.keys) == 0 {
		return nil, s.problem
	}
	return s, nil
}

// Lookup returns the certificate with that public key, or nil. At most once per scanEvery it reads the folder, and files that changed; for a key that it does
// not know, sooner.
func (s *Store) Lookup(public Key) *Certificate {
	s.mu.Lock()
	defer s.mu.Unlock()
	ago := time.Since(s.lastScan)
	if ago >= scanEvery || s.keys[public] == nil && ago >= max(scanEveryUnknown, restFactor*s.scanTook) {
		s.scan()
	}
	return s.keys[public]
}

// Problem returns why keys are missing, or nil: the path cannot be read, or a file is no certificate; then the others count.
func (s *Store) Problem() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.problem
}

// scan reads what changed, and now and then everything.
func (s *Store) scan() {
	s.lastScan = time.Now()
	defer func() { s.scanTook = time.Since(s.lastScan) }()
	readAll := s.lastScan.Sub(s.lastFullScan) >= readEvery
	if readAll {
		s.lastFullScan = s.lastScan
	}
	files, keys := map[string]entry{}, map[Key]*Certificate{}
	s.problem = nil
	err := s.walk(func(path string, info fs.FileInfo) {
		e, known := s.files[path]
		if readAll || !known || !e.isUnchanged(info) {
			e = entry{info: info, read: s.lastScan}
			e.cert, e.err = LoadPublic(path)
		}
		files[path] = e
		if e.err != nil {
			s.noteProblem(e.err)
			return
		}
		keys[e.cert.public] = e.cert
	})
	if err != nil {
		files, keys, s.problem = nil, nil, err
	}
	s.files, s.keys = files, keys
}

// noteProblem keeps the first problem of a look.
func (s *Store) noteProblem(problem error) {
	if s.problem == nil && !errors.Is(problem, fs.ErrNotExist) { // a file that was removed since it was listed is none
		s.problem = problem
	}
}

// walk calls found for each file that should be a certificate.
func (s *Store) walk(found func(path string, info fs.FileInfo)) error {
	info, err := os.Stat(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no file or folder %s: %w", s.path, fs.ErrNotExist)
	case err != nil:
		return fmt.Errorf("cannot read certificates: %w", err)
	}
	if !info.IsDir() {
		found(s.path, info)
		return nil
	}
	root, err := filepath.EvalSymlinks(s.path)
	if err != nil {
		return fmt.Errorf("cannot read certificates: %w", err)
	}
	count := 0
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if count++; count > maxFiles {
			return fmt.Errorf("more than %d files", maxFiles)
		}
		isHidden := path != root && strings.HasPrefix(d.Name(), ".")
		switch {
		case err != nil && path == root:
			return err
		case isHidden && d.IsDir():
			return fs.SkipDir
		case err != nil:
			s.noteProblem(fmt.Errorf("cannot read certificates: %w", err))
			return fs.SkipDir
		case isHidden || d.IsDir() || strings.HasSuffix(d.Name(), SecretSuffix):
			return nil
		}
		info, err := os.Stat(path) // of the target, if it is a link
		if err == nil && info.Mode().IsRegular() {
			found(path, info)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("cannot read the certificates in %s: %w", s.path, err)
	}
	return nil
}
