package app

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tolem/storage"
)

const (
	// instanceEvery is how often a process looks whether others have other settings.
	instanceEvery = time.Minute
	// instanceSeen is how long another is taken to run after it was seen last.
	instanceSeen = 3 * time.Minute
	// instanceLimit bounds one look.
	instanceLimit = 10 * time.Second
)

// instances compares the settings on which all processes of one ledger must agree with those
// that the others have in force. Where they differ it says so, in the log once and in a metric
// as long as it lasts; what differs while versions or settings are rolled out passes by itself.
// It stops nobody.
type instances struct {
	ledger   *storage.Ledger
	own      storage.Instance
	settings map[string]string
	differs  *prometheus.GaugeVec
	said     map[string]string // what was logged of each setting
	stop     context.CancelFunc
	done     chan struct{}
}

// compareInstances begins to compare.
func (r *Running) compareInstances(ctx context.Context, c Config, parts Parts, registry prometheus.Registerer) error {
	schema, err := r.ledger.Schema()
	if err != nil {
		return err
	}
	i := &instances{ledger: r.ledger, settings: c.shared(parts, schema), said: map[string]string{}, done: make(chan struct{}),
		differs: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tolem_settings_differ",
			Help: "1 while another running process of this ledger has another value of a setting on which all must agree.",
		}, []string{"setting"})}
	registry.MustRegister(i.differs)
	text, err := json.Marshal(i.settings)
	if err != nil {
		return err
	}
	host, _ := os.Hostname() // "" where the system does not tell it
	i.own = storage.Instance{ID: rand.Text(), Part: parts.name(), Host: host, Settings: string(text), StartedAt: storage.At(time.Now())}
	ctx, i.stop = context.WithCancel(context.WithoutCancel(ctx))
	r.instances = i
	go i.run(ctx)
	return nil
}

// shared are the settings of this process on which all must agree, without anything secret. A
// process has only those that it uses.
func (c Config) shared(parts Parts, schema int64) map[string]string {
	all := map[string]string{
		"TIMEZONE": c.Location.String(), "schema": strconv.FormatInt(schema, 10), "TEMPORAL_NAMESPACE": namespace(c.Temporal),
		"PROCESSING_URL": place(c.ProcessingURL), "CFRONT_URL": place(c.CFRONT.URL), "CFRONT_STORE_ID": c.CFRONT.StoreID,
	}
	if parts.Worker {
		for _, a := range c.Collection.absAddresses() {
			all[a.variable] = place(a.value)
		}
		all["KAFKA_BROKERS"] = strings.Join(slices.Sorted(slices.Values(c.Collection.Loxon.Brokers)), ",")
		all["LOXON_TOPIC"] = c.Collection.Loxon.Topic
	}
	return all
}

// place is an address without what may be secret in it.
func place(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host + strings.TrimRight(u.Path, "/")
}

// name is what a process runs.
func (p Parts) name() string {
	switch {
	case p.API && p.Worker:
		return "api and worker"
	case p.API:
		return "api"
	}
	return "worker"
}

func (i *instances) run(ctx context.Context) {
	defer close(i.done)
	for {
		i.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-time.After(instanceEvery):
		}
	}
}

// end returns when the ledger is not asked any more; the others need not wait until they find
// this process gone.
func (i *instances) end() {
	i.stop()
	<-i.done
	ctx, cancel := context.WithTimeout(context.Background(), instanceLimit)
	defer cancel()
	if err := i.ledger.ForgetInstance(ctx, i.own.ID); err != nil {
		slog.Warn("the others see this process for some minutes more", "error", err)
	}
}

func (i *instances) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, instanceLimit)
	defer cancel()
	others, err := i.ledger.SeeInstance(ctx, i.own, instanceSeen)
	if err != nil {
		if ctx.Err() == nil {
			slog.WarnContext(ctx, "settings were not compared with those of other processes", "error", err)
		}
		return
	}
	for setting, ours := range i.settings {
		theirs := i.other(others, setting, ours)
		text := ""
		i.differs.WithLabelValues(setting).Set(0)
		if theirs != nil {
			text = theirs.Part + " " + theirs.Host + " " + valueOf(*theirs, setting)
			i.differs.WithLabelValues(setting).Set(1)
		}
		switch {
		case text == i.said[setting]:
		case theirs == nil:
			slog.InfoContext(ctx, "all processes of this ledger have one value of a setting now", "setting", setting, "value", ours)
		default:
			slog.ErrorContext(ctx, "another process of this ledger has another value of a setting on which all must agree", "setting", setting,
				"ours", ours, "theirs", valueOf(*theirs, setting), "other", theirs.Part, "host", theirs.Host, "since", theirs.StartedAt.Time)
		}
		i.said[setting] = text
	}
}

// other is the first of the others that has another value of a setting; nil when none has.
func (i *instances) other(others []storage.Instance, setting, ours string) *storage.Instance {
	for n := range others {
		if theirs := valueOf(others[n], setting); theirs != "" && theirs != ours {
			return &others[n]
		}
	}
	return nil
}

// valueOf is an instance's value of a setting; "" where it does not use it.
func valueOf(instance storage.Instance, setting string) string {
	var all map[string]string
	if err := json.Unmarshal([]byte(instance.Settings), &all); err != nil {
		return "" // not written by us
	}
	return all[setting]
}
