// Package certificatestest makes certificate authorities for tests.
package certificatestest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Authority signs certificates that only those believe who know it.
type Authority struct {
	t           testing.TB
	folder      string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	File        string // its certificate, PEM
}

// New makes an authority, with a folder of its own for what it issues.
func New(t testing.TB, name string) *Authority {
	t.Helper()
	a := &Authority{t: t, folder: t.TempDir()}
	template := &x509.Certificate{
		SerialNumber: serial(t), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	var raw []byte
	raw, a.key = a.sign(template, nil)
	var err error
	a.certificate, err = x509.ParseCertificate(raw)
	require.NoError(t, err)
	a.File = filepath.Join(a.folder, "authority.pem")
	replace(t, a.File, "CERTIFICATE", raw)
	return a
}

// Of is what a certificate is for. The zero value is a server on 127.0.0.1, from an hour
// ago until tomorrow.
type Of struct {
	Host                string // a name or an address
	Client              bool   // shown by who calls, not by who answers
	NotBefore, NotAfter time.Time
}

// Issue writes a certificate and its key to files, replacing those that an earlier call of
// the same name wrote, each at once, the key first.
func (a *Authority) Issue(name string, o Of) (certificate, key string) {
	a.t.Helper()
	template := &x509.Certificate{
		SerialNumber: serial(a.t), Subject: pkix.Name{CommonName: name}, KeyUsage: x509.KeyUsageDigitalSignature,
		NotBefore: o.NotBefore, NotAfter: o.NotAfter,
	}
	if o.Host == "" {
		o.Host = "127.0.0.1"
	}
	if ip := net.ParseIP(o.Host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{o.Host}
	}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if o.Client {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	if o.NotBefore.IsZero() {
		template.NotBefore = time.Now().Add(-time.Hour)
	}
	if o.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(24 * time.Hour)
	}
	raw, private := a.sign(template, a.certificate)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(a.t, err)
	certificate, key = filepath.Join(a.folder, name+".pem"), filepath.Join(a.folder, name+".key")
	replace(a.t, key, "PRIVATE KEY", secret)
	replace(a.t, certificate, "CERTIFICATE", raw)
	return certificate, key
}

// sign makes a key and its certificate; without a parent it signs itself.
func (a *Authority) sign(template, parent *x509.Certificate) ([]byte, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	signer := a.key
	if parent == nil {
		parent, signer = template, key
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	require.NoError(a.t, err)
	return raw, key
}

// replace swaps a file in one step, as tools that renew certificates do.
func replace(t testing.TB, path, kind string, content []byte) {
	t.Helper()
	fresh := path + ".new"
	require.NoError(t, os.WriteFile(fresh, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600))
	require.NoError(t, os.Rename(fresh, path))
}

func serial(t testing.TB) *big.Int {
	t.Helper()
	n, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	require.NoError(t, err)
	return n
}
