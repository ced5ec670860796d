package files_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/storage/files"
)

func open(t *testing.T) (*files.Store, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "files")
	s, err := files.Open(dir)
	require.NoError(t, err)
	return s, dir
}

func keep(t *testing.T, s *files.Store, parts ...string) files.Digest {
	t.Helper()
	draft, err := s.Create()
	require.NoError(t, err)
	for _, part := range parts {
		_, err = io.WriteString(draft, part)
		require.NoError(t, err)
	}
	require.EqualValues(t, len(strings.Join(parts, "")), draft.Size())
	digest, err := draft.Keep()
	require.NoError(t, err)
	draft.Discard() // does nothing any more
	return digest
}

func read(t *testing.T, s *files.Store, d files.Digest) string {
	t.Helper()
	file, err := s.Read(d)
	require.NoError(t, err)
	text, err := io.ReadAll(file)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	return string(text)
}

// all lists every file below a directory.
func all(t *testing.T, dir string) (names []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			names = append(names, filepath.Base(path))
		}
		return err
	}))
	return names
}

// A file is named by what is in it, kept once, and there after a restart.
func TestKeep(t *testing.T) {
	s, dir := open(t)
	sum := sha256.Sum256([]byte("%PDF-1.4"))
	want := files.Digest(hex.EncodeToString(sum[:]))
	require.Equal(t, want, keep(t, s, "%PDF", "-1.4"))
	require.Equal(t, want, keep(t, s, "%PDF-1.4"))
	require.Equal(t, []string{string(want)}, all(t, dir))
	require.NotEqual(t, want, keep(t, s, ""))
	again, err := files.Open(dir)
	require.NoError(t, err)
	require.Equal(t, "%PDF-1.4", read(t, again, want))
	info, err := os.Stat(filepath.Join(dir, string(want[:2]), string(want)))
	require.NoError(t, err)
	require.Zero(t, info.Mode().Perm()&0o077, "for this user alone")
}

// What is given up, or never ended, is no file.
func TestDrafts(t *testing.T) {
	s, dir := open(t)
	draft, err := s.Create()
	require.NoError(t, err)
	_, err = io.WriteString(draft, "half")
	require.NoError(t, err)
	draft.Discard()
	require.Empty(t, all(t, dir))
	_, err = draft.Keep()
	require.Error(t, err)
	require.Empty(t, all(t, dir))

	left, err := s.Create() // by a process that died
	require.NoError(t, err)
	defer left.Discard()
	name := filepath.Join(dir, "unfinished", all(t, dir)[0])
	_, err = files.Open(dir)
	require.NoError(t, err)
	require.Len(t, all(t, dir), 1, "somebody may be writing it")
	require.NoError(t, os.Chtimes(name, time.Now(), time.Now().Add(-25*time.Hour)))
	_, err = files.Open(dir)
	require.NoError(t, err)
	require.Empty(t, all(t, dir))
}

func TestReadRefusals(t *testing.T) {
	s, dir := open(t)
	for _, d := range []files.Digest{"", "..", files.Digest(strings.Repeat("A", 64)), files.Digest(strings.Repeat("a", 63)), files.Digest("../" + strings.Repeat("a", 61))} {
		_, err := s.Read(d)
		require.ErrorIs(t, err, files.ErrDigest)
	}
	_, err := s.Read(files.Digest(strings.Repeat("a", 64)))
	require.ErrorIs(t, err, files.ErrNotFound)
	d := keep(t, s, "a contract")
	require.NoError(t, os.WriteFile(filepath.Join(dir, string(d[:2]), string(d)), []byte("a contrast"), 0o600))
	file, err := s.Read(d)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, file)
	require.ErrorIs(t, err, files.ErrDamaged)
	require.NoError(t, file.Close())
}

// Many write the same document at once: it is there once and whole.
func TestAtOnce(t *testing.T) {
	s, dir := open(t)
	document := strings.Repeat("page ", 100_000)
	var all50 sync.WaitGroup
	for range 50 {
		all50.Go(func() {
			draft, err := s.Create()
			if err == nil {
				_, err = io.WriteString(draft, document)
			}
			if err == nil {
				_, err = draft.Keep()
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all50.Wait()
	names := all(t, dir)
	require.Len(t, names, 1)
	require.Equal(t, document, read(t, s, files.Digest(names[0])))
}
