package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

// What fails before the answer began is a problem; what fails later cuts the
// connection, so that nobody takes half a day for a whole one.
func TestALedgerThatFailsMidway(t *testing.T) {
	b, path := dayBank(t, 6000)
	address := serve(t, b)
	inLedger(t, path, fmt.Sprintf("UPDATE payments SET amount_to = 'much', state = 'succeeded' WHERE id >= %d", firstID+5000))
	inLedger(t, path, "UPDATE payments SET state = 'succeeded'")
	header := "agentTransactionId,amountTo,state\n"
	for _, request := range []*http.Request{
		toServer(t, "GET", address+dayPath, nil), toServer(t, "GET", address+dayPath+"&format=json", nil),
		toServer(t, "POST", address+dayPath, strings.NewReader(header)), toServer(t, "POST", address+dayPath+"&format=csv", strings.NewReader(header)),
	} {
		response, err := new(http.Client).Do(request)
		must(t, err)
		body, err := io.ReadAll(response.Body)
		must(t, response.Body.Close())
		if response.StatusCode != 200 || !errors.Is(err, io.ErrUnexpectedEOF) || len(body) < 64<<10 {
			t.Errorf("%s: %d, %d bytes, %v", request.Method, response.StatusCode, len(body), err)
		}
	}
	inLedger(t, path, "UPDATE payments SET amount_to = 'much'")
	b.status(b.get(secretOp, dayPath), http.StatusServiceUnavailable)
	b.status(b.compare(dayPath, header, nil), http.StatusServiceUnavailable)
	must(t, b.ledger.Close())
	if p := b.status(b.compare(dayPath, header+"5,1,0\n", nil), http.StatusServiceUnavailable).problem(t); p.Code != "ledger_unavailable" {
		t.Errorf("%+v", p)
	}
}

// serve runs the bank's server, with its limits, until the test ends.
func serve(t *testing.T, b *bank) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	served := make(chan error, 1)
	go func() { served <- b.server.Serve(listener) }()
	t.Cleanup(func() {
		must(t, b.server.Shutdown(context.Background())) // the test's own context is over by now
		must(t, <-served)
	})
	return "http://" + listener.Addr().String()
}

func toServer(t *testing.T, method, url string, body io.Reader) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, body)
	must(t, err)
	request.Header.Set("Authorization", "Bearer "+secretOp)
	request.Header.Set("Content-Type", "text/csv")
	return request
}

// slowly is a comparison whose register is written by the test, and its answer:
// status and body, or an error.
func slowly(t *testing.T, address string) (register *io.PipeWriter, answered chan string) {
	t.Helper()
	reader, register := io.Pipe()
	request := toServer(t, http.MethodPost, address+dayPath, reader)
	answered = make(chan string, 1)
	client := &http.Client{Transport: &http.Transport{}}
	go func() {
		response, err := client.Do(request)
		if err != nil {
			answered <- err.Error()
			return
		}
		body, err := io.ReadAll(response.Body)
		answered <- fmt.Sprint(response.StatusCode, " ", string(body), errors.Join(err, response.Body.Close()))
	}()
	t.Cleanup(func() {
		_ = register.Close() // a second time where the test closed it
		client.CloseIdleConnections()
	})
	_, err := io.WriteString(register, "agentTransactionId,amountTo,state\n")
	must(t, err)
	return register, answered
}

// raw sends the beginning of a request, says that no more will come if ended, and
// returns what was answered until the server closed the connection.
func raw(t *testing.T, address, begin string, ended bool) string {
	t.Helper()
	connection, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(address, "http://"))
	must(t, err)
	_, err = io.WriteString(connection, begin)
	must(t, err)
	if tcp, ok := connection.(*net.TCPConn); ok && ended {
		must(t, tcp.CloseWrite())
	}
	answered, err := io.ReadAll(connection)
	must(t, err)
	must(t, connection.Close())
	return string(answered)
}

// A register may take longer than the server gives to requests of 64 KiB: it began
// before a payment that the server gives up, and ends after it.
func TestARegisterHasItsOwnTime(t *testing.T) {
	b, _ := dayBank(t, 10)
	b.server.SetLimits(200 * time.Millisecond)
	address := serve(t, b)
	register, answered := slowly(t, address)
	control := raw(t, address, "POST /v1/payments HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+secretAgent+
		"\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{", false)
	if control != "" && !strings.HasPrefix(control, "HTTP/1.1 408 ") {
		t.Fatalf("the control was answered %s", control)
	}
	_, err := io.WriteString(register, "7,1,0\n")
	must(t, err)
	must(t, register.Close())
	if answer := <-answered; !strings.HasPrefix(answer, "200 ") || !strings.Contains(answer, `"missingHere":1`) {
		t.Error(answer)
	}
}

func TestTwoComparisonsAtOnce(t *testing.T) {
	b, _ := dayBank(t, 0)
	address := serve(t, b)
	const header = "agentTransactionId,amountTo,state\n"
	var registers []*io.PipeWriter
	var answers []chan string
	for range 2 {
		register, answered := slowly(t, address)
		registers, answers = append(registers, register), append(answers, answered)
	}
	for b.server.Comparing() < 2 && t.Context().Err() == nil {
		runtime.Gosched()
	}
	if p := b.status(b.compare(dayPath, header, nil), http.StatusServiceUnavailable).problem(t); p.Code != "reconciliation_busy" {
		t.Errorf("%+v", p)
	}
	b.status(b.get(secretOp, dayPath), http.StatusOK) // an export holds nothing
	for i := range registers {
		must(t, registers[i].Close())
		if answer := <-answers[i]; !strings.HasPrefix(answer, "200 ") {
			t.Error(answer)
		}
	}
	b.status(b.compare(dayPath, header, nil), http.StatusOK)
}

// A register that is too long is refused before it is read; one that breaks off
// is compared with nothing.
func TestABodyThatIsNoRegister(t *testing.T) {
	b, _ := dayBank(t, 1)
	address := serve(t, b)
	request := toServer(t, http.MethodPost, address+dayPath, io.NopCloser(strings.NewReader("")))
	request.ContentLength = 512<<20 + 1
	request.Header.Set("Expect", "100-continue")
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}
	response, err := client.Do(request)
	must(t, err)
	must(t, response.Body.Close())
	if response.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("%d", response.StatusCode)
	}
	answered := raw(t, address, "POST "+dayPath+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+secretOp+
		"\r\nContent-Type: text/csv\r\nContent-Length: 99\r\n\r\nagentTransactionId,amountTo,state\n", true)
	if !strings.HasPrefix(answered, "HTTP/1.1 400 ") || !strings.Contains(answered, "broke off") {
		t.Errorf("%s", answered)
	}
}
