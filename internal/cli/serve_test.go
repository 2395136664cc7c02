package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"agentbridge/internal/bridge"
	"agentbridge/internal/workload"
)

// bearer adds a token to every request.
type bearer string

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(r)
}

// hub starts `agentbridge serve` and gives its URL.
func hub(t *testing.T, dir string) (url string, process *exec.Cmd) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "serve", "--data", dir, "--listen", "127.0.0.1:0")
	cmd.Args[0] = "agentbridge"
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if _, after, ok := strings.Cut(lines.Text(), "listening on "); ok {
			url = after
			break
		}
	}
	if url == "" {
		t.Fatal("serve did not say where it listens")
	}
	go io.Copy(io.Discard, stderr)
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
	})
	return url, cmd
}

// remote connects to a hub with a fresh agent's token.
func remote(t *testing.T, url, dir, name string) *workload.Player {
	t.Helper()
	token, stderr, status := run(t, "token", "new", "--data", dir, "--name", name)
	if status != 0 {
		t.Fatal(stderr)
	}
	a, err := workload.Dial(t.Context(), name, &mcp.StreamableClientTransport{
		Endpoint: url, HTTPClient: &http.Client{Transport: bearer(strings.TrimSpace(token))},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Leave() })
	return a
}

func TestServe_AgentsTalkOverHTTPAndWithThoseOnStdio(t *testing.T) {
	dir := dataPath(t)
	url, process := hub(t, dir)
	alpha, beta, gamma := remote(t, url, dir, "alpha"), remote(t, url, dir, "beta"), connect(t, dir, "gamma")
	var made bridge.CreateResult
	err := alpha.Call(t.Context(), "create_conversation", map[string]any{"role": "lead", "partners": []any{
		map[string]any{"name": "beta", "role": "tester"}, map[string]any{"name": "gamma", "role": "writer"},
	}}, &made)
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range []*workload.Player{beta, gamma} {
		var joined bridge.JoinResult
		if err := a.Call(t.Context(), "join_conversation", map[string]any{"code": made.Invites[i].Code}, &joined); err != nil {
			t.Fatal(err)
		}
	}
	send(t, alpha, "hello both")
	for _, a := range []*workload.Player{beta, gamma} {
		if got := check(t, a, 10); len(got.Messages) != 1 || !strings.Contains(got.Messages[0].Text, "hello both") {
			t.Errorf("%s got %+v", a.Name, got.Messages)
		}
		if got := check(t, a, 0); len(got.Messages) != 0 {
			t.Errorf("%s got it again after coming back: %+v", a.Name, got.Messages)
		}
	}

	// The hub ends while an agent waits: the wait has its answer, and the process is gone soon.
	waiting := make(chan error, 1)
	go func() {
		_, err := beta.Check(context.WithoutCancel(t.Context()), 200)
		waiting <- err
	}()
	start := time.Now()
	process.Process.Signal(syscall.SIGTERM)
	select {
	case <-waiting:
	case <-time.After(10 * time.Second):
		t.Fatal("the wait outlived the hub")
	}
	if err := process.Wait(); err != nil {
		t.Errorf("serve after SIGTERM: %v, want exit status 0", err)
	}
	if took := time.Since(start); took > 6*time.Second {
		t.Errorf("shutting down took %v", took)
	}
}

func TestServe_LetsNobodyInWithoutAToken(t *testing.T) {
	url, _ := hub(t, dataPath(t))
	body := `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`
	for _, authorization := range []string{"", "Bearer ", "Bearer abt1_x_y", "Basic YTpi"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", authorization)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(res.Header.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("with authorization %q: %s, want 401 and a challenge", authorization, res.Status)
		}
	}
}

// What a shell prints with --json is what a tool answers.
func TestJSON_IsTheToolsStructuredContent(t *testing.T) {
	dir := dataPath(t)
	alpha, beta := connect(t, dir, "alpha"), connect(t, dir, "beta")
	meet(t, alpha, beta)
	send(t, alpha, "compare me")
	var tool map[string]any
	if err := beta.Call(t.Context(), "check_partners", map[string]any{}, &tool); err != nil {
		t.Fatal(err)
	}
	out, stderr, status := run(t, "partners", "--data", dir, "--as", "beta", "--json")
	if status != 0 {
		t.Fatal(stderr)
	}
	var shell map[string]any
	if err := json.Unmarshal([]byte(out), &shell); err != nil {
		t.Fatal(err)
	}
	for _, v := range []map[string]any{tool, shell} {
		for _, p := range v["partners"].([]any) {
			delete(p.(map[string]any), "last_seen_seconds")
			delete(p.(map[string]any), "since")
		}
	}
	a, _ := json.Marshal(tool)
	b, _ := json.Marshal(shell)
	if string(a) != string(b) {
		t.Errorf("the tool says\n%s\nand the shell\n%s", a, b)
	}
}
