package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/workload"
)

// dataPath is where a data directory can be made.
func dataPath(t *testing.T) string { return filepath.Join(t.TempDir(), "data") }

// run runs agentbridge in a process of its own and gives its answer.
func run(t *testing.T, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Args[0] = "agentbridge"
	var out, err strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &err
	if e := cmd.Run(); e != nil && !errors.As(e, new(*exec.ExitError)) {
		t.Fatal(e)
	}
	return out.String(), err.String(), cmd.ProcessState.ExitCode()
}

// connect starts an agent's process and its client; both end with the test.
func connect(t *testing.T, dir, name string) *workload.Player {
	t.Helper()
	a, err := workload.Program{Path: "agentbridge", Data: dir, Stderr: os.Stderr}.Play(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Leave() })
	return a
}

// meet lets alpha create a conversation with beta, who joins by name.
func meet(t *testing.T, alpha, beta *workload.Player) {
	t.Helper()
	var made bridge.CreateResult
	var joined bridge.JoinResult
	partners := []any{map[string]any{"name": beta.Name, "role": "tester"}}
	if err := alpha.Call(t.Context(), "create_conversation", map[string]any{"role": "lead", "partners": partners}, &made); err != nil {
		t.Fatal(err)
	}
	if err := beta.Call(t.Context(), "join_conversation", map[string]any{}, &joined); err != nil {
		t.Fatal(err)
	}
}

func send(t *testing.T, a *workload.Player, message string) bridge.SendResult {
	t.Helper()
	var sent bridge.SendResult
	if err := a.Call(t.Context(), "send", map[string]any{"message": message}, &sent); err != nil {
		t.Fatal(err)
	}
	return sent
}

func check(t *testing.T, a *workload.Player, seconds int) bridge.CheckResult {
	t.Helper()
	res, err := a.Check(t.Context(), seconds)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestMCP_KilledProcessLosesNothing(t *testing.T) {
	dir := dataPath(t)
	alpha, beta := connect(t, dir, "alpha"), connect(t, dir, "beta")
	meet(t, alpha, beta)
	acked, held := send(t, alpha, "first"), bridge.SendResult{}
	if got := check(t, beta, 5); len(got.Messages) != 1 || got.Messages[0].ID != acked.Message {
		t.Fatalf("beta got %+v, want the first message", got.Messages)
	}
	check(t, beta, 0) // comes back: the first is acked
	held = send(t, alpha, "second")
	if got := check(t, beta, 5); len(got.Messages) != 1 {
		t.Fatalf("beta got %+v, want the second message", got.Messages)
	}
	beta.Kill()

	heir := connect(t, dir, "beta")
	got := check(t, heir, 5)
	if len(got.Messages) != 1 || got.Messages[0].ID != held.Message || !got.Messages[0].Redelivered {
		t.Fatalf("after kill -9 beta's next process got %+v, want only the second message, redelivered", got.Messages)
	}
	check(t, heir, 0)
	var seen bridge.PartnersResult
	if err := alpha.Call(t.Context(), "check_partners", map[string]any{}, &seen); err != nil {
		t.Fatal(err)
	}
	for _, d := range seen.Deliveries {
		if d.State != bridge.Acked {
			t.Errorf("delivery of %s (first %s, second %s) is %s, want acked", d.Message, acked.Message, held.Message, d.State)
		}
	}
}

func TestMCP_LivingProcessKeepsItsBatch(t *testing.T) {
	dir := dataPath(t)
	alpha, beta, second := connect(t, dir, "alpha"), connect(t, dir, "beta"), connect(t, dir, "beta")
	meet(t, alpha, beta)
	send(t, alpha, "one copy")
	if got := check(t, beta, 5); len(got.Messages) != 1 {
		t.Fatalf("beta got %+v", got.Messages)
	}
	if got := check(t, second, 0); len(got.Messages) != 0 {
		t.Errorf("beta's second process got %+v, want nothing: the first holds it and lives", got.Messages)
	}
}

func TestMCP_EndsQuicklyAndSaysGoodbye(t *testing.T) {
	for _, end := range []struct {
		name string
		how  func(*pipes)
	}{
		{"SIGTERM", func(p *pipes) { p.cmd.Process.Signal(syscall.SIGTERM) }},
		{"hang up", func(p *pipes) { p.in.Close() }},
		{"reader gone", func(p *pipes) { p.out.Close(); p.request("ping", "{}") }},
	} {
		t.Run(end.name, func(t *testing.T) {
			dir := dataPath(t)
			alpha, beta := connect(t, dir, "alpha"), startPipes(t, "", "mcp", "--data", dir, "--as", "beta")
			var made bridge.CreateResult
			err := alpha.Call(t.Context(), "create_conversation", map[string]any{"partners": []any{map[string]any{"name": "beta", "role": "tester"}}}, &made)
			if err != nil {
				t.Fatal(err)
			}
			beta.request("tools/call", `{"name":"join_conversation","arguments":{}}`)
			beta.answer(t)
			beta.request("tools/call", `{"name":"check_messages","arguments":{"wait_seconds":200}}`)
			start := time.Now()
			end.how(beta)
			err = beta.cmd.Wait()
			if took := time.Since(start); took > 3*time.Second || err != nil {
				t.Errorf("ended after %v with %v, want soon and exit status 0", took, err)
			}
			var seen bridge.PartnersResult
			if err := alpha.Call(t.Context(), "check_partners", map[string]any{}, &seen); err != nil {
				t.Fatal(err)
			}
			if got := seen.Partners[0].Liveness; got != bridge.Silent {
				t.Errorf("beta is %s right after its end, want silent", got)
			}
		})
	}
}

// pipes is an agentbridge process that is spoken to by hand.
type pipes struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   io.ReadCloser
	lines *bufio.Scanner
	id    int
}

// startPipes starts an `mcp` process and shakes hands with it.
func startPipes(t *testing.T, work string, args ...string) *pipes {
	t.Helper()
	p := &pipes{cmd: exec.Command(os.Args[0], args...)}
	p.cmd.Args[0], p.cmd.Dir, p.cmd.Stderr = "agentbridge", work, os.Stderr
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if p.out, err = p.cmd.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.in.Close(); p.cmd.Wait() })
	p.lines = bufio.NewScanner(p.out)
	p.request("initialize", `{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}}`)
	p.answer(t)
	io.WriteString(p.in, `{"jsonrpc":"2.0","method":"notifications/initialized"}`+"\n")
	return p
}

func (p *pipes) request(method, params string) {
	p.id++
	fmt.Fprintf(p.in, `{"jsonrpc":"2.0","id":%d,"method":%q,"params":%s}`+"\n", p.id, method, params)
}

func (p *pipes) answer(t *testing.T) {
	t.Helper()
	if !p.lines.Scan() || strings.Contains(p.lines.Text(), `"isError":true`) {
		t.Fatalf("answer %q: %v", p.lines.Text(), p.lines.Err())
	}
}

func TestMCP_TakesTheDirectorysNameThatNobodyHolds(t *testing.T) {
	data, work := dataPath(t), filepath.Join(t.TempDir(), "my project!")
	if err := os.Mkdir(work, 0o700); err != nil {
		t.Fatal(err)
	}
	start := func() *pipes { return startPipes(t, work, "mcp", "--data", data) }
	names := func() []string {
		list, err := localAgents(data)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	start()
	second := start()
	start()
	want := []string{"my-project", "my-project-2", "my-project-3"}
	if got := names(); !slices.Equal(got, want) {
		t.Errorf("three processes are %v, want %v", got, want)
	}
	second.in.Close()
	if err := second.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	start()
	if got := names(); !slices.Equal(got, want) {
		t.Errorf("after the second ended, its name is taken again: %v, want %v", got, want)
	}
}

func TestAs_ProcessesThatStartTogetherAreOneAgent(t *testing.T) {
	dir := dataPath(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, stderr, status := run(t, "partners", "--data", dir, "--as", "alpha"); status != 0 {
				t.Errorf("exit status %d: %s", status, stderr)
			}
		})
	}
	wg.Wait()
	o := openStore(t, dir)
	tokens, err := o.svc.Tokens(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(tokens) != 1 || tokens[0].State != "valid" {
		t.Errorf("eight first uses of one name made %d tokens, want 1: %+v", len(tokens), tokens)
	}
}

// openStore opens the bridge in a directory in this process.
func openStore(t *testing.T, dir string) *opened {
	t.Helper()
	p := &program{data: dir, stdout: t.Output(), stderr: t.Output()}
	o, err := p.open(t.Context(), existing)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.close() })
	return o
}
