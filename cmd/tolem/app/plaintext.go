package app

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"go.temporal.io/sdk/client"
)

// plaintextTemporal is Temporal's name in ALLOW_PLAINTEXT.
const plaintextTemporal = "temporal"

// plaintextNames are the connections that are refused without TLS unless ALLOW_PLAINTEXT names
// them.
var plaintextNames = []string{plaintextTemporal}

// plaintext are the connections to other machines that somebody allowed to be without TLS.
type plaintext map[string]bool

// readPlaintext reads ALLOW_PLAINTEXT: names with commas between them. One that is not known
// is a mistake: it would allow nothing.
func readPlaintext(list string) (plaintext, error) {
	allowed := plaintext{}
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		switch {
		case name == "" && strings.TrimSpace(list) == "":
		case !slices.Contains(plaintextNames, name):
			return nil, fmt.Errorf("%q is no connection; known are %s", name, strings.Join(plaintextNames, ", "))
		default:
			allowed[name] = true
		}
	}
	return allowed, nil
}

// checkTemporal fails where Temporal would be reached on another machine without TLS and
// nobody allowed that. Whoever is in between, or answers in Temporal's place, gives workers
// their tasks and reads and writes every process.
func (p plaintext) checkTemporal(o client.Options) error {
	if o.ConnectionOptions.TLS != nil || p[plaintextTemporal] || staysHere(o.HostPort) {
		return nil
	}
	return fmt.Errorf("%s is on another machine and would be reached without TLS, so anybody in between could act as Temporal; "+
		"set TEMPORAL_TLS=true with TEMPORAL_TLS_SERVER_CA_CERT_PATH, TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH, "+
		"or, where you trust the network, ALLOW_PLAINTEXT=%s", o.HostPort, plaintextTemporal)
}

// staysHere says whether an address of gRPC is certainly on this machine: a unix socket, or a
// loopback address, by itself or after dns:/// or passthrough:///. "" is the SDK's default.
func staysHere(target string) bool {
	for _, socket := range []string{"unix:", "unix-abstract:"} {
		if strings.HasPrefix(target, socket) {
			return true
		}
	}
	for _, scheme := range []string{"dns:", "passthrough:"} {
		if endpoint, ok := strings.CutPrefix(target, scheme); ok {
			target = strings.TrimPrefix(endpoint, "///") // another authority than none stays in front, and is no host
			break
		}
	}
	host, _, err := net.SplitHostPort(target)
	if err != nil {
		host = target
	}
	return target == "" || isLoopback(host)
}
