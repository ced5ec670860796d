package parts

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// ErrClosed is what writing to a closed journal fails with.
var ErrClosed = errors.New("the simulated partner is closed")

// Journal is a file of records, a line of JSON each; without a file it only remembers
// that it was closed. A record is written whole or not at all.
type Journal[Record any] struct {
	file   *os.File
	failed error // of a write; the file may end in a torn line, so nothing may follow it
}

// OpenJournal reads the records of an earlier life into apply and cuts off a torn last
// line. Without a directory there is no file.
func OpenJournal[Record any](dir, name string, apply func(Record)) (*Journal[Record], error) {
	if dir == "" {
		return &Journal[Record]{}, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	path := filepath.Join(dir, name)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	whole, err := replay(file, apply)
	if err == nil {
		err = file.Truncate(whole)
	}
	if err == nil {
		_, err = file.Seek(whole, io.SeekStart)
	}
	if err != nil {
		_ = file.Close() // the first error is the one to report
		return nil, fmt.Errorf("journal %s: %w", path, err)
	}
	return &Journal[Record]{file: file}, nil
}

// replay returns the length of the whole lines.
func replay[Record any](file io.Reader, apply func(Record)) (whole int64, err error) {
	lines := bufio.NewReaderSize(file, 64<<10)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return whole, nil // what came without a line end is torn
		}
		if err != nil {
			return 0, err
		}
		var r Record
		if err := json.Unmarshal(line, &r); err != nil {
			return 0, fmt.Errorf("line %d is damaged: %w", n, err)
		}
		apply(r)
		whole += int64(len(line))
	}
}

// Write puts one record into the file with one write(2). After a failure everything
// fails, until a restart cuts off what was torn.
func (j *Journal[Record]) Write(r Record) error {
	if j.failed != nil {
		return j.failed
	}
	if j.file == nil {
		return nil
	}
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if _, err := j.file.Write(append(line, '\n')); err != nil {
		j.failed = fmt.Errorf("journal: %w", err)
		return j.failed
	}
	return nil
}

// Close ends the file; later writes fail.
func (j *Journal[Record]) Close() error {
	j.failed = ErrClosed
	if j.file == nil {
		return nil
	}
	file := j.file
	j.file = nil
	return file.Close()
}
