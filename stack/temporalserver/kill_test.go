package temporalserver_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"

	"go.temporal.io/sdk/client"

	"tolem/stack/temporalserver"
)

// childDir, when set, makes the test binary a server to be killed.
const childDir = "TEMPORALSERVER_TEST_CHILD_DIR"

func TestMain(m *testing.M) {
	dir := os.Getenv(childDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	s, err := temporalserver.Start(context.Background(), temporalserver.Options{
		DataDir: dir, FrontendAddr: "127.0.0.1:0", SearchAttributes: attributes,
	})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("serving", s.FrontendAddr())
	select {}
}

// An acknowledged start outlives kill -9: the next server on the same
// directory runs the workflow.
func TestKilledServerContinues(t *testing.T) {
	o := options(t)
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childDir+"="+o.DataDir)
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

	c, err := client.Dial(client.Options{HostPort: addr, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	execute(t, c, "payment/1", describe) // no worker yet: the next server has to find its first task
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // "signal: killed"
	c.Close()

	c, disconnect := connect(t, start(t, o))
	defer disconnect()
	awaitCount(t, c, "TestState = 'paying'", 1)
}
