// Package hosts decides which names a server answers to.
//
// A page of the web whose name resolves to this machine's address (DNS rebinding) is, to the
// browser, of the same origin as whatever listens there: it may read every answer. Its requests
// carry the page's own name in the Host header, which is how they are recognised here.
package hosts

import (
	"errors"
	"maps"
	"net"
	"net/http"
	"regexp"
	"strings"
)

// Refusal is the plain text of a refused request.
const Refusal = "this server does not answer to the name in the Host header; use its own address"

// Rule says which Host headers are answered. The zero value answers to every name.
type Rule struct {
	checked bool
	names   map[string]bool
}

// For is the rule of a server that listens on addr and has these further names.
//
// On a loopback address, or with names, it answers only to localhost, to loopback addresses, to
// the address at which the connection arrived, and to the names, each with any port: a proxy
// or a forwarded port may have another. Otherwise it answers to every name, because nothing
// says by which one other machines reach it.
func For(addr net.Addr, names ...string) Rule {
	r := Rule{checked: len(names) > 0 || isLoopback(hostOf(addr.String()))}
	return r.Also("localhost").Also(names...)
}

// Also is the rule with further names. One that answers to every name still does.
func (r Rule) Also(names ...string) Rule {
	known := maps.Clone(r.names)
	if known == nil {
		known = map[string]bool{}
	}
	for _, name := range names {
		known[canonical(name)] = true
	}
	return Rule{checked: r.checked, names: known}
}

// Answers says whether the request is answered. One without a Host header, which no browser
// sends and a probe in HTTP/1.0 may, is.
func (r Rule) Answers(request *http.Request) bool {
	host := hostOf(request.Host)
	switch ip := net.ParseIP(host); {
	case !r.checked, request.Host == "", isLoopback(host), r.names[canonical(host)]:
		return true
	case ip != nil:
		arrived, _ := request.Context().Value(http.LocalAddrContextKey).(net.Addr)
		return arrived != nil && ip.Equal(net.ParseIP(hostOf(arrived.String())))
	}
	return false
}

// Guard answers 421 in plain text where the rule does not answer, and passes the rest on.
func (r Rule) Guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if !r.Answers(request) {
			http.Error(w, Refusal, http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, request)
	})
}

// name is a host name of the DNS.
var name = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?$`)

// Parse reads names with commas between them: host names or IP addresses, without a port.
func Parse(list string) (names []string, err error) {
	if strings.TrimSpace(list) == "" {
		return nil, nil
	}
	for _, entry := range strings.Split(list, ",") {
		entry = strings.TrimSpace(entry)
		if !name.MatchString(entry) && net.ParseIP(entry) == nil {
			return nil, errors.New("want host names with commas between them, each without scheme and port, such as tolem.bank,10.0.0.5")
		}
		names = append(names, entry)
	}
	return names, nil
}

// hostOf is host:port without the port, and without an IPv6 address's brackets.
func hostOf(hostPort string) string {
	if host, _, err := net.SplitHostPort(hostPort); err == nil {
		return host
	}
	return strings.TrimSuffix(strings.TrimPrefix(hostPort, "["), "]")
}

// canonical writes a name in one way; the dot at its end only says that it is complete.
func canonical(host string) string {
	if ip := net.ParseIP(host); ip != nil {
		return ip.String()
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

func isLoopback(host string) bool { return net.ParseIP(host).IsLoopback() }
