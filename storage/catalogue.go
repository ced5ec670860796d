package storage

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// MaxCatalogue bounds the content of a catalogue, in bytes: twice the longest
// answer that a client reads, because our JSON spells out what the partner left
// away.
const MaxCatalogue = 32 << 20

// ErrCatalogueTooLarge says that a catalogue was not saved and never will be.
var ErrCatalogueTooLarge = errors.New("catalogue is larger than 32 MiB")

// Catalogue is our copy of a partner's list of services.
type Catalogue struct {
	Partner   string `gorm:"primaryKey"`
	Content   string // JSON, as the partner's client writes it
	SHA256    string `gorm:"column:sha256"` // Digest of Content; SaveCatalogue fills it in
	Services  int    // in Content
	Broken    int    // entries left out of Content because they cannot be read
	FetchedAt Timestamp
}

// SaveCatalogue replaces the partner's row if the ledger's list is older, or if
// there is none. A list without services never replaces one that has some: that
// is far more often the partner's mistake than the end of all its services.
//
// Any number of workers and APIs may save at once, late or twice: the condition
// is part of the one statement, so that the newest list stays. saved says whether
// this one was written. ErrCatalogueTooLarge above MaxCatalogue.
func (l *Ledger) SaveCatalogue(ctx context.Context, c Catalogue) (saved bool, err error) {
	if len(c.Content) > MaxCatalogue {
		return false, fmt.Errorf("save catalogue of %s, %d bytes: %w", c.Partner, len(c.Content), ErrCatalogueTooLarge)
	}
	written := l.db.WithContext(ctx).Exec(`
		INSERT INTO catalogues (partner, content, sha256, services, broken, fetched_at) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (partner) DO UPDATE SET content = excluded.content, sha256 = excluded.sha256,
			services = excluded.services, broken = excluded.broken, fetched_at = excluded.fetched_at
		WHERE catalogues.fetched_at < excluded.fetched_at AND (excluded.services > 0 OR catalogues.services = 0)`,
		c.Partner, c.Content, Digest([]byte(c.Content)), c.Services, c.Broken, At(c.FetchedAt.Time))
	if written.Error != nil {
		return false, fmt.Errorf("save catalogue of %s: %w", c.Partner, written.Error)
	}
	return written.RowsAffected == 1, nil
}

// Catalogue reads the partner's list if it was fetched later than after; the zero
// time takes any. So whoever holds a copy reads megabytes only when there are
// newer ones. ErrNotFound when there is none.
func (l *Ledger) Catalogue(ctx context.Context, partner string, after time.Time) (Catalogue, error) {
	var found []Catalogue
	err := l.db.WithContext(ctx).Where("partner = ? AND fetched_at > ?", partner, At(after)).Limit(1).Find(&found).Error
	switch {
	case err != nil:
		return Catalogue{}, fmt.Errorf("read catalogue of %s: %w", partner, err)
	case len(found) == 0:
		return Catalogue{}, fmt.Errorf("catalogue of %s: %w", partner, ErrNotFound)
	case found[0].SHA256 != Digest([]byte(found[0].Content)):
		return Catalogue{}, fmt.Errorf("catalogue of %s in the ledger does not have the sha256 beside it: the next list that is fetched replaces it", partner)
	}
	return found[0], nil
}
