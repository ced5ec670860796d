package api_test

import (
	"testing"

	"tolem/api"
)

// Ledgers hold these digests: if one changes, a repetition of a request that was
// accepted before is taken for another request. Make a new version of the kind
// instead, and keep reading the old one.
func TestDigestsStay(t *testing.T) {
	for kind, want := range map[string]string{
		"payment/1":          "11151f006532628264c73d966c316075092f51d4c55da29d3dc85941c2cf0be8",
		"choice/1":           "67c8b85d9fa5bc4d8a94a2b6d585714ea3421dad9d24156d4ed47b2312954392",
		"order/1":            "e43abe6efb706e34c65f29c41a6d94ee9175fd498a08eb9a6165225bc04eefee",
		"bulk/1":             "ea6f9593c13c33fa775cb12b82804fb3a0ea5f1cdc72ef48d55b84e343a3cd30",
		"incident_action/1":  "da977a642c674e8d1436d44a2f1fe8e7a21ed738a742463dfd9124dedd6c8deb",
		"instalment_order/1": "fb20c3e5c35b29aa596c0f45a267d63c1708e905aadde5b4621fc469ae35ed89",
		"return/1":           "984686510444699428fc466a31cd04a13fc682cfaf167ea7c80abc7adec74036",
	} {
		if got := api.Digests()[kind]; got != want {
			t.Errorf("%s: %s, want %s", kind, got, want)
		}
	}
}
