package cert

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Load reads a certificate with its secret key, from PATH_secret, or from PATH if that does not exist; PATH may also be the secret file's
// whole name. If both files exist their public keys must be the same. Errors wrap the system's error, or ErrFormat, ErrNoSecret or
// ErrMismatch.
func Load(path string) (*Certificate, error) {
	secret := path + SecretSuffix
	c, err := read(secret)
	if errors.Is(err, fs.ErrNotExist) {
		return loadExactly(path)
	}
	if err != nil {
		return nil, err
	}
	if c.secret == (Key{}) {
		return nil, fmt.Errorf("%s: %w", secret, ErrNoSecret)
	}
	return checkPublic(path, secret, c)
}

// loadExactly reads a certificate from exactly this file.
func loadExactly(path string) (*Certificate, error) {
	c, err := read(path)
	public, isSecret := strings.CutSuffix(path, SecretSuffix)
	switch {
	case errors.Is(err, fs.ErrNotExist) && isSecret:
		return nil, fmt.Errorf("there is no file %s; \"zre keygen %s\" makes a certificate: %w", path, public, fs.ErrNotExist)
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no file %s%s, nor %s; \"zre keygen %s\" makes a certificate: %w", path, SecretSuffix, path, path, fs.ErrNotExist)
	case err != nil:
		return nil, err
	case c.secret == (Key{}):
		return nil, fmt.Errorf("%s: %w, which is in the file whose name ends in %s, on the machine where the keys were made", path, ErrNoSecret, SecretSuffix)
	case isSecret:
		return checkPublic(public, path, c)
	}
	return c, nil
}

// checkPublic returns a secret certificate, if the public file beside it has the same key; that file may be missing.
func checkPublic(public, secret string, c *Certificate) (*Certificate, error) {
	p, err := read(public)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return c, nil
	case err != nil:
		return nil, err
	case p.public != c.public:
		return nil, fmt.Errorf("%s and %s: %w: copy both from where they were made", public, secret, ErrMismatch)
	}
	return c, nil
}

// LoadPublic reads one file, of either kind; it leaves out a secret key.
func LoadPublic(path string) (*Certificate, error) {
	c, err := read(path)
	if err != nil {
		return nil, err
	}
	c.secret = Key{}
	return c, nil
}

// read reads one file, which must be a regular one: a pipe might never end.
func read(path string) (*Certificate, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read a certificate: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w: not a regular file", path, ErrFormat)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read a certificate: %w", err)
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", path, err)
	}
	c, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// Save writes PATH and PATH_secret. It never overwrites: if one of them exists, it fails with an error that wraps fs.ErrExist. After any
// error it leaves no new file behind. It does not make a missing folder.
func (c *Certificate) Save(path string) error {
	switch {
	case c.secret == (Key{}):
		return fmt.Errorf("cannot save %s: %w", path, ErrNoSecret)
	case path == "" || os.IsPathSeparator(path[len(path)-1]):
		return fmt.Errorf("%q names no file: %w", path, fs.ErrInvalid)
	case strings.HasSuffix(path, SecretSuffix):
		return fmt.Errorf("%s: a name that ends in %s is for the secret file: leave that end out: %w", path, SecretSuffix, fs.ErrInvalid)
	}
	now := time.Now()
	secret := path + SecretSuffix
	if err := write(secret, 0o600, c.text(true, now)); err != nil {
		return err
	}
	if err := write(path, 0o644, c.text(false, now)); err != nil {
		_ = os.Remove(secret)
		return err
	}
	return nil
}

// A folderError says that a file cannot be written because its folder is missing. It is an fs.ErrNotExist.
type folderError struct{ path string }

func (e *folderError) Error() string {
	return fmt.Sprintf("cannot write %s: the folder %s does not exist", e.path, filepath.Dir(e.path))
}

func (e *folderError) Is(target error) bool { return target == fs.ErrNotExist }

// write makes a file that does not exist yet.
func write(path string, mode fs.FileMode, text []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	switch {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s exists, and is not overwritten: %w", path, fs.ErrExist)
	case errors.Is(err, fs.ErrNotExist):
		return &folderError{path}
	case err != nil:
		return fmt.Errorf("cannot write a certificate: %w", err)
	}
	if err = writeAll(file, text); err != nil {
		_ = os.Remove(path)
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return nil
}

// writeAll writes, syncs and closes.
func writeAll(file *os.File, text []byte) error {
	_, err := file.Write(text)
	if err == nil {
		err = file.Sync()
	}
	if failed := file.Close(); err == nil {
		err = failed
	}
	return err
}
