package storage

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// setting is one thing that all processes of a ledger must agree on.
type setting struct {
	Name      string `gorm:"primaryKey"`
	Value     string
	UpdatedAt Timestamp
}

// settingTimezone names the time zone in which days are kept.
const settingTimezone = "timezone"

// KeepTimezone returns the time zone in which the ledger's days are kept: zone, if none was
// recorded before.
func (l *Ledger) KeepTimezone(ctx context.Context, zone string) (kept string, err error) {
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		ours := setting{settingTimezone, zone, At(time.Now())}
		if err := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&ours).Error; err != nil {
			return err
		}
		found, err := one[setting](tx.Where("name = ?", settingTimezone), "time zone")
		kept = found.Value
		return err
	})
	if err != nil {
		return "", fmt.Errorf("read the ledger's time zone: %w", err)
	}
	return kept, nil
}

// ChangeTimezone records another time zone, and returns the one before; "" when none was
// recorded. Nothing that is stored changes.
func (l *Ledger) ChangeTimezone(ctx context.Context, zone string) (before string, err error) {
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		var found []setting
		if err := tx.Where("name = ?", settingTimezone).Find(&found).Error; err != nil {
			return err
		}
		before = ""
		if len(found) > 0 {
			before = found[0].Value
		}
		replace := clause.OnConflict{Columns: []clause.Column{{Name: "name"}}, DoUpdates: clause.AssignmentColumns([]string{"value", "updated_at"})}
		return tx.Clauses(replace).Create(&setting{settingTimezone, zone, At(time.Now())}).Error
	})
	if err != nil {
		return "", fmt.Errorf("change the ledger's time zone: %w", err)
	}
	return before, nil
}
