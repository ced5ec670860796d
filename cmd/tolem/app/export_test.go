package app

import (
	"context"
	"net"

	"tolem/api/hosts"
	"tolem/partners/abs"
	"tolem/partners/cfront"
	"tolem/partners/loxon"
	"tolem/partners/processing"
	"tolem/storage"
)

// The clients that a configuration makes.

func (c Config) Centre() (*processing.Client, error) { return c.centre() }
func (c Config) Bank() (*cfront.Client, error)       { return c.CFRONT.client() }
func (c Config) ABS() (*abs.Client, error)           { return c.Collection.system() }
func (c Config) Producer() (*loxon.Producer, error)  { return c.Collection.producer() }
func (c Config) WarnOfPlainText(ctx context.Context) { c.warnOfPlainText(ctx) }

// OpenLedger opens and migrates the ledger as a program does.
func OpenLedger(ctx context.Context, c Config) (*storage.Ledger, error) {
	return openLedger(ctx, c, true)
}

// Hosts are the names that an API which listens there answers to.
func (c Config) Hosts(addr net.Addr) hosts.Rule { return c.hosts(addr) }

// LookAtInstances compares settings now.
func (r *Running) LookAtInstances(ctx context.Context) { r.instances.look(ctx) }
