package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

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

// page asks a hub for one of its pages under a host name, and gives status and text.
func page(t *testing.T, method, url, host string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		req.Host = host
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

func TestServe_SaysHowItIsAndItsNumbersAreThoseOfStatus(t *testing.T) {
	dir := dataPath(t)
	url, _ := hub(t, dir)
	base := strings.TrimSuffix(url, "/mcp")
	alpha, beta := remote(t, url, dir, "alpha"), connect(t, dir, "beta")
	var made bridge.CreateResult
	var joined bridge.JoinResult
	partners := []any{map[string]any{"name": "beta", "role": "tester"}, map[string]any{"name": "gamma", "role": "writer"}}
	if err := alpha.Call(t.Context(), "create_conversation", map[string]any{"role": "lead", "partners": partners}, &made); err != nil {
		t.Fatal(err)
	}
	if err := beta.Call(t.Context(), "join_conversation", map[string]any{"code": made.Invites[0].Code}, &joined); err != nil {
		t.Fatal(err)
	}
	send(t, alpha, "words of an agent")
	for _, title := range []string{"first", "second"} {
		if err := alpha.Call(t.Context(), "add_task", map[string]any{"title": title + " words"}, &bridge.AddTaskResult{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := beta.Call(t.Context(), "claim_task", map[string]any{}, &bridge.ClaimTaskResult{}); err != nil {
		t.Fatal(err)
	}

	code, text := page(t, "GET", base+"/healthz", "")
	var health struct{ Status string }
	if err := json.Unmarshal([]byte(text), &health); err != nil || code != 200 || health.Status != "ok" {
		t.Errorf("/healthz: %d %s, want 200 and ok", code, text)
	}
	code, text = page(t, "GET", base+"/metrics", "")
	if code != 200 || strings.Contains(text, "words") {
		t.Errorf("/metrics: %d; want 200, and nothing that an agent wrote:\n%s", code, text)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	number := func(name string, labels ...string) (sum float64) {
		for _, m := range families["agentbridge_"+name].GetMetric() {
			here := 0
			for _, l := range m.GetLabel() {
				if slices.Contains(labels, l.GetName()+"="+l.GetValue()) {
					here++
				}
			}
			if here == len(labels) {
				sum += m.GetGauge().GetValue()
			}
		}
		return sum
	}
	out, stderr, status := run(t, "status", "--data", dir, "--json")
	if status != 0 {
		t.Fatal(stderr)
	}
	var stands bridge.Standing
	if err := json.Unmarshal([]byte(out), &stands); err != nil {
		t.Fatal(err)
	}
	c := stands.Conversations[0]
	if got, want := number("unacked_deliveries"), float64(c.Waiting); got != want || want == 0 {
		t.Errorf("%v deliveries are unacked, status says %v", got, want)
	}
	for _, state := range []bridge.TaskState{bridge.TaskOpen, bridge.TaskClaimed, bridge.TaskDone} {
		if got, want := number("tasks", "state="+string(state)), float64(c.Tasks[state]); got != want {
			t.Errorf("%v tasks are %s, status says %v", got, state, want)
		}
	}
	if c.Tasks[bridge.TaskClaimed] != 1 || c.Tasks[bridge.TaskOpen] != 1 {
		t.Errorf("the tasks: %v", c.Tasks)
	}
	for _, m := range c.Roster {
		want := 0.0
		if m.Joined {
			want = 1
		}
		if got := number("member_liveness", "member="+m.Name, "liveness="+string(m.Liveness), "conversation="+string(c.Conversation)); got != want {
			t.Errorf("%s is %s: %v, status says %v", m.Name, m.Liveness, got, want)
		}
	}

	for _, tt := range []struct {
		method, path, host string
		want               int
	}{
		{"HEAD", "/healthz", "", 200},
		{"POST", "/healthz", "", 405},
		{"POST", "/metrics", "", 405},
		{"GET", "/healthz", "rebound.example.com", 403},
		{"GET", "/metrics", "rebound.example.com", 403},
	} {
		if code, _ := page(t, tt.method, base+tt.path, tt.host); code != tt.want {
			t.Errorf("%s %s for %q: %d, want %d", tt.method, tt.path, tt.host, code, tt.want)
		}
	}
}

func TestServe_IsNotWellOnceItsDatabaseWasReplaced(t *testing.T) {
	dir := dataPath(t)
	url, _ := hub(t, dir)
	alpha := connect(t, dir, "alpha") // which is a process of its own
	db, base := filepath.Join(dir, "bridge.db"), strings.TrimSuffix(url, "/mcp")
	if err := errors.Join(os.Rename(db, db+".kept"), os.WriteFile(db+".new", []byte("another"), 0o600), os.Rename(db+".new", db)); err != nil {
		t.Fatal(err)
	}
	if code, text := page(t, "GET", base+"/healthz", ""); code != 503 || !strings.Contains(text, `"failing"`) {
		t.Errorf("/healthz: %d %s, want 503 and failing", code, text)
	}
	err := alpha.Call(t.Context(), "check_partners", map[string]any{}, nil)
	if !errors.Is(err, bridge.Unavailable) || !strings.Contains(bridge.AsError(err).Hint, "restart this process") {
		t.Errorf("check_partners: %v; want unavailable, and that the process be restarted", err)
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
