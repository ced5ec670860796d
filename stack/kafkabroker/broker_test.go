package kafkabroker_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"tolem/stack/kafkabroker"
)

const topic = "loxon"

// childDir, when set, makes the test binary a broker to be killed.
const childDir = "KAFKABROKER_TEST_CHILD_DIR"

func TestMain(m *testing.M) {
	dir := os.Getenv(childDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	b, err := kafkabroker.Start(kafkabroker.Options{DataDir: dir, Addr: "127.0.0.1:0", Topics: []string{topic}})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("serving", b.Addr())
	select {}
}

func start(t *testing.T, o kafkabroker.Options) *kafkabroker.Broker {
	t.Helper()
	o.Addr = "127.0.0.1:0"
	o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	began := time.Now()
	b, err := kafkabroker.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("started in %v", time.Since(began).Round(time.Millisecond))
	t.Cleanup(b.Stop)
	return b
}

func write(t *testing.T, addr, topic string, values ...string) error {
	t.Helper()
	w := &kafka.Writer{Addr: kafka.TCP(addr), Topic: topic, Balancer: kafka.Murmur2Balancer{Consistent: true},
		RequiredAcks: kafka.RequireAll, BatchTimeout: 2 * time.Millisecond, MaxAttempts: 1,
		AllowAutoTopicCreation: true,               // the broker must not, even when asked
		Transport:              &kafka.Transport{}} // not the shared default: it remembers stopped brokers
	defer func() { _ = w.Close() }()
	var messages []kafka.Message
	for _, v := range values {
		messages = append(messages, kafka.Message{Key: []byte("contract"), Value: []byte(v)})
	}
	began := time.Now()
	err := w.WriteMessages(t.Context(), messages...)
	t.Logf("wrote %d in %v", len(values), time.Since(began).Round(time.Millisecond))
	return err
}

// read returns the first n values of the group that it has not committed, and
// commits them.
func read(t *testing.T, addr string, n int) []string {
	t.Helper()
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{addr}, Topic: topic, GroupID: "reader",
		StartOffset: kafka.FirstOffset, MaxWait: 100 * time.Millisecond})
	defer func() { _ = r.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var values []string
	for range n {
		m, err := r.ReadMessage(ctx)
		if err != nil {
			t.Fatalf("after %q: %v", values, err)
		}
		values = append(values, string(m.Value))
	}
	return values
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("read %q, want %q", got, want)
	}
}

func TestSurvivesRestart(t *testing.T) {
	o := kafkabroker.Options{DataDir: t.TempDir(), Topics: []string{topic}, Partitions: 3}
	first := start(t, o)
	if err := write(t, first.Addr(), topic, "one", "two", "three"); err != nil {
		t.Fatal(err)
	}
	same(t, read(t, first.Addr(), 2), "one", "two")
	first.Stop()

	o.Topics = append(o.Topics, "added-later")
	o.Partitions = 5
	second := start(t, o)
	if err := write(t, second.Addr(), topic, "four"); err != nil {
		t.Fatal(err)
	}
	same(t, read(t, second.Addr(), 2), "three", "four")
	if err := write(t, second.Addr(), "added-later", "event"); err != nil {
		t.Errorf("topic of the second start: %v", err)
	}
	for name, want := range map[string]int{topic: 3, "added-later": 5} {
		conn, err := kafka.Dial("tcp", second.Addr())
		if err != nil {
			t.Fatal(err)
		}
		partitions, err := conn.ReadPartitions(name)
		if err != nil || len(partitions) != want {
			t.Errorf("topic %s has %d partitions, error %v, want %d", name, len(partitions), err, want)
		}
		_ = conn.Close()
	}
}

func TestKilledBrokerKeepsEvents(t *testing.T) {
	dir := t.TempDir()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childDir+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = child.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	addr, serving := strings.CutPrefix(strings.TrimSpace(line), "serving ")
	if err != nil || !serving {
		t.Fatalf("child says %q, error %v", line, err)
	}
	if err := write(t, addr, topic, "one", "two"); err != nil {
		t.Fatal(err)
	}
	if _, err := kafkabroker.Start(kafkabroker.Options{DataDir: dir, Addr: "127.0.0.1:0"}); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("second broker on %s: error %v, want one that names it", dir, err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // "signal: killed"
	same(t, read(t, start(t, kafkabroker.Options{DataDir: dir}).Addr(), 2), "one", "two")
}

func TestUnknownTopicIsNotCreated(t *testing.T) {
	b := start(t, kafkabroker.Options{Topics: []string{topic}})
	if err := write(t, b.Addr(), "misspelt", "event"); err == nil {
		t.Error("a topic came into being by being written to")
	}
	if err := write(t, b.Addr(), topic, "event"); err != nil {
		t.Error(err)
	}
}

func TestRefusedAddresses(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = busy.Close() }()
	for _, addr := range []string{busy.Addr().String(), "0.0.0.0:0", "127.0.0.1", "127.0.0.1:kafka"} {
		b, err := kafkabroker.Start(kafkabroker.Options{Addr: addr, DataDir: t.TempDir()})
		if err == nil {
			b.Stop()
			t.Errorf("started on %s", addr)
		} else if !strings.Contains(err.Error(), addr) {
			t.Errorf("error %q does not name %s", err, addr)
		}
	}
}
