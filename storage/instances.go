package storage

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// Instance is one running API or worker of this ledger.
type Instance struct {
	ID        string `gorm:"primaryKey"`
	Part      string // what it runs: api, worker, api and worker
	Host      string
	Settings  string // JSON: those on which all instances must agree
	StartedAt Timestamp
	SeenAt    Timestamp
}

// instanceKept is how long an instance that is not seen any longer is remembered.
const instanceKept = 24 * time.Hour

// SeeInstance records that an instance runs, and returns the others that were seen within a
// time. Repeating it is harmless.
func (l *Ledger) SeeInstance(ctx context.Context, own Instance, within time.Duration) (others []Instance, err error) {
	now := time.Now()
	own.SeenAt = At(now)
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		replace := clause.OnConflict{Columns: []clause.Column{{Name: "id"}}, DoUpdates: clause.AssignmentColumns([]string{"settings", "seen_at"})}
		if err := tx.Clauses(replace).Create(&own).Error; err != nil {
			return err
		}
		if err := tx.Where("seen_at < ?", At(now.Add(-instanceKept))).Delete(&Instance{}).Error; err != nil {
			return err
		}
		return tx.Where("id <> ? AND seen_at > ?", own.ID, At(now.Add(-within))).Order("started_at, id").Find(&others).Error
	})
	if err != nil {
		return nil, fmt.Errorf("record the instance: %w", err)
	}
	return others, nil
}

// ForgetInstance removes an instance that ends.
func (l *Ledger) ForgetInstance(ctx context.Context, id string) error {
	if err := l.db.WithContext(ctx).Where("id = ?", id).Delete(&Instance{}).Error; err != nil {
		return fmt.Errorf("forget the instance: %w", err)
	}
	return nil
}

// Schema is the version of the schema that this program is made for.
func (l *Ledger) Schema() (int64, error) {
	provider, err := l.migrator()
	if err != nil {
		return 0, err
	}
	sources := provider.ListSources()
	return sources[len(sources)-1].Version, nil
}
