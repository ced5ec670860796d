package storage

import (
	"slices"

	"gorm.io/gorm"

	"tolem/domain"
)

// asStored is the spelling that the ledger has a caller's key in. New keys are stored without
// the quotes that a structured field has; rows from before hold what was sent. A key that is in
// the ledger in both spellings, or in none, is the one without.
func asStored(tx *gorm.DB, table, column, caller, key string) (string, error) {
	quoted := domain.Quoted(key)
	var found []string
	err := tx.Table(table).Where("caller = ?", caller).Where(map[string]any{column: []string{key, quoted}}).Distinct().Pluck(column, &found).Error
	if err != nil || slices.Contains(found, key) || !slices.Contains(found, quoted) {
		return key, err
	}
	return quoted, nil
}
