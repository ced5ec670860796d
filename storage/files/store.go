// Package files keeps documents by their content: a file is named by the SHA-256 of its
// bytes, so that the same document is kept once, a reference cannot come to mean another
// one, and no name of a file tells of a person.
package files

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Digest names a file: the SHA-256 of its bytes, 64 lower-case hexadecimal digits.
type Digest string

// ErrNotFound says that no file of a digest is kept.
var ErrNotFound = errors.New("no such file")

// ErrDigest is wrapped where a text is no digest.
var ErrDigest = errors.New("not a digest: want 64 lower-case hexadecimal digits")

// ErrDamaged says that a file's bytes are no longer those that its digest names.
var ErrDamaged = errors.New("the file is damaged")

// Valid says whether d has the form of a digest.
func (d Digest) Valid() bool {
	return len(d) == sha256.Size*2 && strings.Trim(string(d), "0123456789abcdef") == ""
}

// Store is one directory of files. It is safe for concurrent use, by several processes
// too.
type Store struct{ dir string }

// abandoned is the age of an unfinished file that nobody writes any more: no call to a
// partner takes as long.
const abandoned = 24 * time.Hour

// Open makes the directory where there is none, readable for this user alone, and removes
// what was begun and abandoned a day ago.
func Open(dir string) (*Store, error) {
	for _, d := range []string{dir, filepath.Join(dir, "unfinished")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("file store: %w", err)
		}
	}
	s := &Store{dir: dir}
	begun, err := os.ReadDir(s.unfinished())
	if err != nil {
		return nil, fmt.Errorf("file store: %w", err)
	}
	for _, entry := range begun {
		info, err := entry.Info()
		if err == nil && time.Since(info.ModTime()) > abandoned {
			_ = os.Remove(filepath.Join(s.unfinished(), entry.Name())) // another process may have been faster
		}
	}
	return s, nil
}

func (s *Store) unfinished() string { return filepath.Join(s.dir, "unfinished") }

// path spreads files over 256 directories.
func (s *Store) path(d Digest) string { return filepath.Join(s.dir, string(d[:2]), string(d)) }

// Draft is a file that is being written. It ends with Keep or Discard.
type Draft struct {
	store *Store
	file  *os.File
	sum   hash.Hash
	size  int64
}

// Create begins a file.
func (s *Store) Create() (*Draft, error) {
	file, err := os.CreateTemp(s.unfinished(), "draft-*")
	if err != nil {
		return nil, fmt.Errorf("file store: %w", err)
	}
	return &Draft{store: s, file: file, sum: sha256.New()}, nil
}

// Write adds bytes.
func (d *Draft) Write(p []byte) (int, error) {
	n, err := d.file.Write(p)
	_, _ = d.sum.Write(p[:n]) // a hash takes everything
	d.size += int64(n)
	return n, err
}

// Size is how many bytes were written.
func (d *Draft) Size() int64 { return d.size }

// Keep makes the file durable under its digest: after it, a power loss loses nothing.
// Kept twice, it is there once. After an error nothing was kept.
func (d *Draft) Keep() (Digest, error) {
	digest := Digest(hex.EncodeToString(d.sum.Sum(nil)))
	err := d.keep(digest)
	if err != nil {
		d.Discard()
		return "", fmt.Errorf("file store: %w", err)
	}
	return digest, nil
}

func (d *Draft) keep(digest Digest) error {
	if err := d.file.Sync(); err != nil {
		return err
	}
	if err := d.file.Close(); err != nil {
		return err
	}
	path := d.store.path(digest)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := os.Rename(d.file.Name(), path); err != nil { // over the same bytes, if they are there
		return err
	}
	return errors.Join(sync(filepath.Dir(path)), sync(d.store.dir))
}

// sync makes a directory's entries durable.
func sync(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Discard gives the file up. After Keep it does nothing.
func (d *Draft) Discard() {
	_ = d.file.Close()           // it may be closed already
	_ = os.Remove(d.file.Name()) // it may be kept, or gone: Open removes what stays
}

// Read opens a kept file for reading from its start to its end. Errors wrap ErrDigest and
// ErrNotFound. The last read fails with ErrDamaged when the bytes were not those of the
// digest. Close it.
func (s *Store) Read(d Digest) (io.ReadCloser, error) {
	if !d.Valid() {
		return nil, fmt.Errorf("file store: %w", ErrDigest)
	}
	file, err := os.Open(s.path(d))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("file store: %w", ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("file store: %w", err)
	}
	return &checked{file: file, want: d, sum: sha256.New()}, nil
}

// checked compares what is read with its name. It has no WriteTo of the file's, which would
// pass its Read by.
type checked struct {
	file *os.File
	want Digest
	sum  hash.Hash
}

// Read ends with ErrDamaged in place of io.EOF where the bytes are others.
func (c *checked) Read(p []byte) (int, error) {
	n, err := c.file.Read(p)
	_, _ = c.sum.Write(p[:n]) // a hash takes everything
	if errors.Is(err, io.EOF) && Digest(hex.EncodeToString(c.sum.Sum(nil))) != c.want {
		return n, fmt.Errorf("file store: %w", ErrDamaged)
	}
	return n, err
}

// Close ends reading.
func (c *checked) Close() error { return c.file.Close() }
