package storetest

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"

	"agentbridge/internal/bridge"
)

// childAddress is the variable that tells a process that it is a child, and of which store.
const childAddress = "AGENTBRIDGE_STORETEST_ADDRESS"

// Child is where a test binary that [Run] started again becomes another process of the same store: it does as it is told on its
// standard input and exits. In any other process it returns at once. An engine's TestMain calls it first.
func Child(open func(address string) (bridge.Store, error)) {
	address, ok := os.LookupEnv(childAddress)
	if !ok {
		return
	}
	if err := serve(open, address, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "storetest child:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// serve answers calls until there are no more, and then closes the store.
func serve(open func(string) (bridge.Store, error), address string, in io.Reader, out io.Writer) error {
	s, err := open(address)
	if err != nil {
		return fmt.Errorf("open the store: %w", err)
	}
	a, calls, answers := &local{store: s}, json.NewDecoder(in), json.NewEncoder(out)
	for {
		var c call
		switch err := calls.Decode(&c); {
		case err == io.EOF:
			return s.Close()
		case err != nil:
			return err
		}
		if err := answers.Encode(a.do(c)); err != nil {
			return err
		}
	}
}

// process is another process on the same store, one call at a time. Its zero answer after a kill is that nothing is known.
type process struct {
	cmd     *exec.Cmd
	calls   *json.Encoder
	answers *json.Decoder

	mu     sync.Mutex // guards killed
	killed bool
}

// spawn starts a process, which ends with the test.
func (e Engine) spawn(t testing.TB, address string) *process {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// Where TestMain does not call Child, this runs no test, says nothing that is understood, and the test fails.
	p := &process{cmd: exec.Command(program, "-test.run=^$")}
	p.cmd.Env = append(os.Environ(), childAddress+"="+address)
	p.cmd.Stderr = t.Output()
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.calls, p.answers = json.NewEncoder(in), json.NewDecoder(out)
	t.Cleanup(func() {
		in.Close()
		err := p.cmd.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		if err != nil && !p.killed {
			t.Errorf("process %d: %v", p.cmd.Process.Pid, err)
		}
	})
	if got := p.do(call{Op: "hello"}); got.Err != "" || got.Unknown {
		t.Fatalf("process %d does not answer (%s); does TestMain call storetest.Child?", p.cmd.Process.Pid, got.Err)
	}
	return p
}

func (p *process) do(c call) (a answer) {
	if err := p.calls.Encode(c); err != nil {
		return answer{Unknown: true, Err: "call: " + err.Error()}
	}
	if err := p.answers.Decode(&a); err != nil {
		return answer{Unknown: true, Err: "answer: " + err.Error()}
	}
	return a
}

// kill ends the process as a crash would.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.killed = true
	_ = p.cmd.Process.Kill()
}

func (p *process) String() string { return "process " + strconv.Itoa(p.cmd.Process.Pid) }
