package temporalserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strconv"
)

// address is a loopback IP and a port; the zero value means "none".
type address struct {
	ip   net.IP
	port int
}

func (a address) set() bool { return a.port != 0 }

func (a address) String() string {
	if !a.set() {
		return ""
	}
	return net.JoinHostPort(a.ip.String(), strconv.Itoa(a.port))
}

// ports are the addresses of one server. The internal ones are chosen free.
type ports struct {
	frontend, history, matching, worker address
	ui                                  address
}

// choosePorts resolves the two public addresses and picks the rest. It fails,
// naming the address, if one is not local or already in use: the server itself
// would end the whole process over that.
//
// Between this check and the server's own listen somebody else may take a
// port; see freePort for why that does not happen by chance.
func choosePorts(ctx context.Context, frontend, ui string) (p ports, err error) {
	if p.frontend, err = choose(ctx, frontend); err != nil {
		return p, fmt.Errorf("frontend address: %w", err)
	}
	if ui != "" {
		if p.ui, err = choose(ctx, ui); err != nil {
			return p, fmt.Errorf("UI address: %w", err)
		}
	}
	for _, internal := range []*address{&p.history, &p.matching, &p.worker} {
		if *internal, err = freePort(ctx, p.frontend.ip); err != nil {
			return p, err
		}
	}
	return p, nil
}

func choose(ctx context.Context, hostPort string) (address, error) {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return address{}, fmt.Errorf("%q is not host:port: %w", hostPort, err)
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	ip := net.ParseIP(host)
	if ip == nil || !ip.IsLoopback() {
		return address{}, fmt.Errorf("%q is not a loopback address, and the server has no authentication", hostPort)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return address{}, fmt.Errorf("%q has no numeric port: %w", hostPort, err)
	}
	if number == 0 {
		return freePort(ctx, ip)
	}
	a := address{ip: ip, port: int(number)}
	l, err := net.Listen("tcp", a.String())
	if err != nil {
		return address{}, err // "listen tcp 127.0.0.1:7233: bind: address already in use"
	}
	return a, l.Close()
}

// freePort returns a port nobody listens on, and keeps the kernel from handing
// it out again for about a minute.
//
// Linux gives ephemeral ports at random, so the port of a closed listener may
// become the source port of the next outgoing connection, our own to a database
// included. A connection closed from the server's side stays in TIME_WAIT; a
// port in that state is not handed out, yet can be listened on (Go sets
// SO_REUSEADDR). macOS and Windows give ephemeral ports in turn.
func freePort(ctx context.Context, ip net.IP) (_ address, err error) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: ip})
	if err != nil {
		return address{}, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	a := address{ip: ip, port: l.Addr().(*net.TCPAddr).Port}
	if runtime.GOOS == "darwin" || runtime.GOOS == "windows" {
		return a, nil
	}
	client, err := new(net.Dialer).DialContext(ctx, "tcp", a.String())
	if err != nil {
		return address{}, err
	}
	server, err := l.Accept()
	if err != nil {
		return address{}, errors.Join(err, client.Close())
	}
	return a, errors.Join(server.Close(), client.Close()) // this order leaves TIME_WAIT on our side
}
