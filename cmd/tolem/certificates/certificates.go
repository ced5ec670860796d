// Package certificates turns files of certificates and keys (PEM) into TLS settings, for
// our server and towards partners, and follows the files: a certificate that was renewed
// on disk is used from the next handshake on, without a restart.
//
// There is no way to verify less: whoever we call must show a certificate of the host's
// name from a known authority, and whoever calls us one of the named authority where one
// is named.
//
// No error and no log line carries a key.
package certificates

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"time"
)

// Files name certificates of one connection's end. Authorities are whom we believe, the
// other two who we are.
type Files struct {
	Authorities string // one or more CA certificates; "" = the system's for a client, nobody's for a server
	Certificate string // ours, then those between it and its authority
	Key         string // of Certificate, without a password
}

// Empty says that no file is named.
func (f Files) Empty() bool { return f == Files{} }

// minVersion is 1.2: banks' gateways still speak it, with suites that Go limits to those
// with forward secrecy and an authenticated cipher; two ends that know 1.3 take it.
const minVersion = tls.VersionTLS12

// errNoPair is a certificate without a key, or the reverse.
var errNoPair = errors.New("a certificate and its key are needed together")

// Client are the settings for calling: what the other end shows must be of the host that
// is called, and of one of the authorities. With a certificate of ours, it is shown to whoever
// asks for one. nil when no file is named: the caller's own settings then, which are the
// system's authorities. The authorities are read once.
//
// Errors name the file: one that is missing or unreadable, a key of another certificate,
// a certificate that is over or not yet valid.
func Client(f Files) (*tls.Config, error) {
	if f.Empty() {
		return nil, nil //nolint:nilnil // nil is a tls.Config to all who take one
	}
	config := &tls.Config{MinVersion: minVersion}
	if f.Authorities != "" {
		pool, err := authorities(f.Authorities)
		if err != nil {
			return nil, err
		}
		config.RootCAs = pool
	}
	if f.Certificate == "" && f.Key == "" {
		return config, nil
	}
	ours, err := follow(Files{Certificate: f.Certificate, Key: f.Key})
	if err != nil {
		return nil, err
	}
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		pair := ours.Now().pair
		return &pair, nil
	}
	return config, nil
}

// Server are the settings for answering. With authorities, whoever connects must show a
// certificate of one of them that is made for clients; without, anybody may connect. All
// three files are followed. Errors are Client's.
func Server(f Files) (*tls.Config, error) {
	ours, err := follow(f)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: minVersion,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return ours.Now().server, nil
		},
	}, nil
}

// read is what the files say at one moment.
type read struct {
	pair   tls.Certificate
	server *tls.Config
}

func load(f Files, now time.Time) (read, error) {
	pair, err := ourPair(f, now)
	if err != nil {
		return read{}, err
	}
	server := &tls.Config{
		MinVersion: minVersion, Certificates: []tls.Certificate{pair},
		NextProtos: []string{"http/1.1"}, // the server's limits are measured with it
	}
	if f.Authorities != "" {
		if server.ClientCAs, err = authorities(f.Authorities); err != nil {
			return read{}, err
		}
		server.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return read{pair: pair, server: server}, nil
}

// ourPair reads a certificate and its key.
func ourPair(f Files, now time.Time) (tls.Certificate, error) {
	if f.Certificate == "" || f.Key == "" {
		return tls.Certificate{}, errNoPair
	}
	chain, err := os.ReadFile(f.Certificate)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate: %w", err)
	}
	key, err := os.ReadFile(f.Key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("key: %w", err)
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil { // crypto/tls quotes kinds of PEM blocks, nothing of their content
		return tls.Certificate{}, fmt.Errorf("%s with the key %s: %w", f.Certificate, f.Key, err)
	}
	switch leaf := pair.Leaf; {
	case now.After(leaf.NotAfter):
		return tls.Certificate{}, fmt.Errorf("%s was valid until %s: renew it", f.Certificate, leaf.NotAfter.Format(time.RFC3339))
	case now.Before(leaf.NotBefore):
		return tls.Certificate{}, fmt.Errorf("%s is valid from %s only: is this machine's clock right?", f.Certificate, leaf.NotBefore.Format(time.RFC3339))
	}
	return pair, nil
}

// authorities reads CA certificates; every block of the file must be one, so that nobody
// wonders later which of them was left out.
func authorities(path string) (*x509.CertPool, error) {
	rest, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("authorities: %w", err)
	}
	pool, count := x509.NewCertPool(), 0
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		count++
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil || block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("authorities: block %d of %s is not a certificate", count, path)
		}
		pool.AddCert(certificate)
	}
	if count == 0 {
		return nil, fmt.Errorf("authorities: %s holds no certificate (PEM)", path)
	}
	return pool, nil
}
