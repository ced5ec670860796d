package certificates

import (
	"log/slog"
	"time"

	"tolem/cmd/tolem/following"
)

// follow reads the files once, which must succeed, and then whenever they changed: a few stat
// calls beside a handshake's signature. Certificate and key are seldom replaced in one
// instant, and a handshake in between must succeed with the last good ones.
func follow(f Files) (*following.Value[read], error) {
	return following.New(following.Options[read]{
		Paths: []string{f.Authorities, f.Certificate, f.Key},
		Load:  func() (read, error) { return load(f, time.Now()) },
		Changed: func(fresh read) {
			slog.Info("TLS certificate reloaded", "file", f.Certificate, "valid_until", fresh.pair.Leaf.NotAfter)
		},
		Unusable: func(reason error, kept read) {
			slog.Error("the TLS files changed and cannot be used; the last good ones stay in force", "error", reason,
				"valid_until", kept.pair.Leaf.NotAfter)
		},
	})
}
