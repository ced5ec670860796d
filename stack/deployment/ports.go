package deployment

import (
	"errors"
	"fmt"
	"net"
	"os"
)

// ports are loopback ports that nobody listens on, and that no outgoing connection takes
// meanwhile: systems take those from above.
type ports struct{ next int }

const (
	leastPort  = 20_000
	beyondPort = 32_000
)

// Address is a loopback address that nobody listened on a moment ago, another one each time.
func (d *Deployment) Address() (string, error) {
	if d.ports.next == 0 {
		d.ports.next = leastPort + os.Getpid()%5_000
	}
	for d.ports.next < beyondPort {
		addr := fmt.Sprintf("127.0.0.1:%d", d.ports.next)
		d.ports.next++
		listener, err := net.Listen("tcp", addr)
		if err == nil {
			return addr, listener.Close()
		}
	}
	return "", errors.New("no free ports")
}
