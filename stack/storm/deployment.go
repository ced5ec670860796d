package storm

import (
	"context"
	"time"

	"tolem/stack/deployment"
)

// How the deployment works: short limits, so that a storm of minutes has what a bank has in
// days.
const (
	workers        = 3
	apis           = 2
	partnerTimeout = 2 * time.Second
	pastTimeout    = 3 * time.Second // of an answer that comes after the call was given up
)

// settings of every API and worker.
var settings = map[string]string{
	"CFRONT_POLL_FIRST": "500ms", "CFRONT_POLL_MAX": "10s", "CFRONT_PAYOUT_POLL_MAX": "10s",
	"PARTNER_TIMEOUT": partnerTimeout.String(), "RETRY_INITIAL": "500ms", "RETRY_FACTOR": "1.5", "COLLECTION_RETRY_MAX": "15s",
}

// deployed is what a storm passes over.
type deployed struct{ *deployment.Deployment }

// deploy starts everything and returns when it answers. After an error nothing runs.
func deploy(ctx context.Context, o Options) (*deployed, error) {
	d, err := deployment.Start(ctx, deployment.Options{Dir: o.Dir, Programs: o.Programs, Settings: settings})
	if err != nil {
		return nil, err
	}
	for n := range apis + workers {
		start := d.StartWorker
		if n < apis {
			start = d.StartAPI
		}
		if _, err := start(nil); err != nil {
			d.Stop()
			return nil, err
		}
	}
	if err := d.Ready(ctx); err != nil {
		d.Stop()
		return nil, err
	}
	return &deployed{d}, nil
}
