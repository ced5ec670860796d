package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"tolem/activities"
)

const (
	// catalogueCallLimit bounds one call and its save. PARTNER_TIMEOUT usually
	// ends the call earlier; a list of thousands of services takes seconds.
	catalogueCallLimit = 90 * time.Second

	// catalogueLimit bounds all tries of one run: the schedule comes again every
	// five minutes.
	catalogueLimit = 4 * time.Minute
)

// Catalogue brings our copy of the centre's services up to date.
//
// When it returns, the ledger holds the list that the centre told during the run,
// or one that is newer, or the last one that had services. When it fails, the
// centre or the ledger did not answer all the while, and the copy is as it was.
func Catalogue(ctx workflow.Context, in activities.CatalogueInput) (activities.CatalogueResult, error) {
	return regular(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: catalogueCallLimit, ScheduleToCloseTimeout: catalogueLimit,
		// 5, 10, 20, 40, 60 s: a short outage costs no round of the schedule, a long
		// one costs the centre a handful of requests in five minutes.
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: 5 * time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute},
		Summary:     "fetch the processing centre's catalogue of services",
	}, activities.Refresh, in)
}
