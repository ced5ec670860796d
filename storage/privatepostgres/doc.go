// Package privatepostgres runs a PostgreSQL server that belongs to one process
// alone, from the server binaries found on this machine, for tests and
// benchmarks. Production talks to a server that somebody operates.
//
// The server listens on 127.0.0.1 only, asks for a random password, keeps UTF-8
// text sorted by bytes (locale C), runs in UTC and accepts 200 connections. It
// never runs as root: when we are root it becomes the user postgres, or nobody.
//
// It does not outlive its owner. Stop is the orderly way; on Linux the kernel
// shuts the server down when the owner is killed. Elsewhere, and for the
// directory everywhere, the next Start cleans up: it removes the temporary
// directories of dead owners, and a PostgreSQL server whose directory is gone
// stops by itself within about a minute.
//
// A server with Options.Replicated can be backed up, restored to a moment, and
// followed by standbys, each with PostgreSQL's own programs: what
// docs/operating/restore.md has people type.
package privatepostgres
