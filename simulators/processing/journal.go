package processing

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// record is one line of the journal: everything that one request, or one control
// call, changed. It is written whole or not at all, and before the answer, so
// that no kill can leave money moved without its line, or an answer given that
// the books do not know.
type record struct {
	Arrived  *Request  `json:"arrived,omitempty"`
	Used     int       `json:"used,omitempty"` // number of the script that gave one answer
	Payment  *Payment  `json:"payment,omitempty"`
	Move     *move     `json:"move,omitempty"`
	Answered *answered `json:"answered,omitempty"`

	Balance        *tenThousandths `json:"balance,omitempty"`
	Overdraft      *tenThousandths `json:"overdraft,omitempty"`
	Notification   *tenThousandths `json:"notification,omitempty"`
	NoNotification bool            `json:"noNotification,omitempty"` // takes it out of the answer
	Script         *Script         `json:"script,omitempty"`
	Storm          *Storm          `json:"storm,omitempty"`
	ClearScripts   bool            `json:"clearScripts,omitempty"`
	ClearStorms    bool            `json:"clearStorms,omitempty"`
	Catalogue      *Catalogue      `json:"catalogue,omitempty"`
}

var errClosed = errors.New("the processing centre is closed")

// journal is the file of records; without a file it only remembers that it was
// closed.
type journal struct {
	file   *os.File
	failed error // of a write; the file may end in a torn line, so nothing may follow it
}

// openJournal reads the records of an earlier life into apply and cuts off a
// torn last line.
func openJournal(dir string, apply func(record)) (*journal, error) {
	if dir == "" {
		return &journal{}, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	path := filepath.Join(dir, "processing.jsonl")
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
	return &journal{file: file}, nil
}

// replay returns the length of the whole lines.
func replay(file io.Reader, apply func(record)) (whole int64, err error) {
	lines := bufio.NewReaderSize(file, 64<<10)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return whole, nil // what came without a line end is torn
		}
		if err != nil {
			return 0, err
		}
		var r record
		if err := json.Unmarshal(line, &r); err != nil {
			return 0, fmt.Errorf("line %d is damaged: %w", n, err)
		}
		apply(r)
		whole += int64(len(line))
	}
}

// write puts one record into the file with one write(2). After a failure
// everything fails, until a restart cuts off what was torn.
func (j *journal) write(r record) error {
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

func (j *journal) close() error {
	j.failed = errClosed
	if j.file == nil {
		return nil
	}
	file := j.file
	j.file = nil
	return file.Close()
}
