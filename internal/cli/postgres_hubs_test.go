//go:build postgres

package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"agentbridge/internal/bridge"
	"agentbridge/internal/workload"
)

// front is one address before several hubs. Each request goes to the next of those that run.
type front struct {
	mu   sync.Mutex // guards hubs and next
	hubs []*workload.Hub
	next int
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.next++
	hub := f.hubs[f.next%len(f.hubs)]
	f.mu.Unlock()
	to := &url.URL{Scheme: "http", Host: hub.Address}
	(&httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(to) }, FlushInterval: -1}).ServeHTTP(w, r)
}

func (f *front) set(hubs ...*workload.Hub) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hubs = hubs
}

// caller is an agent's client of an older or the newest version of the protocol.
type caller struct {
	t       *testing.T
	session *mcp.ClientSession
}

type bearing struct {
	token string
	wire  http.RoundTripper
}

func (b bearing) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.wire.RoundTrip(r)
}

func dialHub(t *testing.T, address, token, version string) *caller {
	t.Helper()
	wire := http.DefaultTransport.(*http.Transport).Clone()
	session, err := mcp.NewClient(&mcp.Implementation{Name: "tester", Version: "1"}, nil).Connect(t.Context(),
		&mcp.StreamableClientTransport{Endpoint: address + "/mcp", HTTPClient: &http.Client{Transport: bearing{token, wire}}},
		&mcp.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close(); wire.CloseIdleConnections() })
	return &caller{t, session}
}

func (c *caller) call(tool string, arguments map[string]any, answer any) error {
	res, err := c.session.CallTool(c.t.Context(), &mcp.CallToolParams{Name: tool, Arguments: arguments})
	if err != nil {
		return fmt.Errorf("%s: %w", tool, err)
	}
	shape, err := json.Marshal(res.StructuredContent)
	if err != nil || res.IsError {
		return errors.Join(err, fmt.Errorf("%s: %s", tool, shape))
	}
	return json.Unmarshal(shape, answer)
}

// hubsOn gives hubs on the store at dsn, each with a directory of its own. The first makes the keys.
func hubsOn(t *testing.T, dsn string) (first, second workload.Program) {
	t.Helper()
	program := func(env ...string) workload.Program {
		return workload.Program{Path: "agentbridge", Data: t.TempDir(), Env: append(env, "AGENTBRIDGE_STORE="+dsn, "AGENTBRIDGE_LIMITS=off"), Stderr: t.Output()}
	}
	return program(), program()
}

func serve(t *testing.T, p workload.Program) *workload.Hub {
	t.Helper()
	hub, err := p.Serve(t.Context(), workload.Anywhere)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(hub.Kill)
	return hub
}

func TestHubs_OnPostgreSQLRefuseKeysThatAreNotTheStores(t *testing.T) {
	first, second := hubsOn(t, freshSchema(t))
	serve(t, first)
	refused := func(says string, env ...string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		p, said := second, bytes.Buffer{}
		p.Env, p.Stderr = append(slices.Clone(p.Env), env...), &said
		if hub, err := p.Serve(ctx, workload.Anywhere); err == nil {
			hub.Kill()
			t.Errorf("a hub began with keys that are not the store's, want %q", says)
		}
		if !strings.Contains(said.String(), says) || !strings.Contains(said.String(), "hint: ") {
			t.Errorf("a hub was refused with %q, want %q and a hint", said.String(), says)
		}
	}
	refused("bridge.key is missing, but its store is there")
	if _, err := os.Stat(filepath.Join(second.Data, keyFile)); err == nil {
		t.Error("a key file was made that fits nothing")
	}
	ring, err := bridge.NewKeyRing().MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	refused("the key file does not belong to this store", keysVariable+"="+string(ring))
	if err := os.WriteFile(filepath.Join(second.Data, keyFile), ring, 0o600); err != nil {
		t.Fatal(err)
	}
	refused("the key file does not belong to this store")
	refused("line 1 is not a key", keysVariable+"=nonsense")
}

// Two hubs behind one address: every request of an agent goes to the other one than the request before. Then one hub is killed, and
// then the other one ends while the first is back; the conversation goes on throughout.
func TestHubs_OnPostgreSQLAreOneBridge(t *testing.T) {
	first, second := hubsOn(t, freshSchema(t))
	a := serve(t, first)
	ring, err := os.ReadFile(filepath.Join(first.Data, keyFile))
	if err != nil {
		t.Fatal(err)
	}
	second.Env = append(second.Env, keysVariable+"="+string(ring)) // as where a hub has no disk of its own
	b := serve(t, second)
	f := &front{hubs: []*workload.Hub{a, b}}
	one := httptest.NewServer(f)
	t.Cleanup(one.Close)

	for n, version := range []string{"", "2025-06-18"} {
		var agents [2]*caller
		for i := range agents {
			token, err := first.Token(fmt.Sprintf("agent-%d-%d", n, i))
			if err != nil {
				t.Fatal(err)
			}
			agents[i] = dialHub(t, one.URL, token, version)
		}
		alpha, beta := agents[0], agents[1]
		var made bridge.CreateResult
		if err := alpha.call("create_conversation", map[string]any{"role": "lead", "partners": []map[string]any{{"name": "beta", "role": "tester"}}}, &made); err != nil {
			t.Fatal(err)
		}
		if err := beta.call("join_conversation", map[string]any{"code": made.Invites[0].Code}, &bridge.JoinResult{}); err != nil {
			t.Fatal(err)
		}
		var took []time.Duration
		receipt := "none"
		for i := range 30 {
			switch i {
			case 10:
				f.set(b)
				a.Kill()
			case 20:
				a = serve(t, first)
				f.set(a)
				if err := b.Stop(); err != nil {
					t.Errorf("a hub ended with %v", err)
				}
			case 25:
				b = serve(t, second)
				f.set(a, b)
			}
			text := fmt.Sprintf("message %d", i)
			heard := make(chan error, 1)
			var got bridge.CheckResult
			go func() {
				heard <- beta.call("check_messages", map[string]any{"wait_seconds": 60, "ack": receipt}, &got)
			}()
			if err := alpha.call("send", map[string]any{"message": text, "key": text}, &bridge.SendResult{}); err != nil {
				t.Fatal(err)
			}
			sent := time.Now()
			if err := <-heard; err != nil {
				t.Fatal(err)
			}
			took = append(took, time.Since(sent))
			if len(got.Messages) != 1 || got.Messages[0].Seq != int64(i+1) || got.Messages[0].Redelivered || !strings.Contains(got.Messages[0].Text, text) {
				t.Fatalf("after message %d beta has %+v", i, got.Messages)
			}
			receipt = string(got.Receipt)
		}
		if err := beta.call("check_messages", map[string]any{"ack": receipt}, &bridge.CheckResult{}); err != nil {
			t.Fatal(err)
		}
		slices.Sort(took)
		t.Logf("from send's answer at one hub to check_messages' at the other: p50 %v, p99 %v", took[len(took)/2], took[len(took)-1])
		if p50 := took[len(took)/2]; p50 > time.Second {
			t.Errorf("half of the messages took %v and more to the other hub: only the poll wakes", p50)
		}
	}
}

// An agent of another machine joins through the one address, and its own process keeps to it while hubs come and go behind it.
func TestHubs_OnPostgreSQLServeRemoteAgents(t *testing.T) {
	first, second := hubsOn(t, freshSchema(t))
	f := &front{}
	one := httptest.NewServer(f)
	t.Cleanup(one.Close)
	start := func(p workload.Program) *workload.Hub {
		t.Helper()
		hub, err := p.Serve(t.Context(), workload.Anywhere, "--url", one.URL)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(hub.Kill)
		return hub
	}
	a := start(first)
	ring, err := os.ReadFile(filepath.Join(first.Data, keyFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(second.Data, keyFile), ring, 0o600); err != nil {
		t.Fatal(err)
	}
	b := start(second)
	f.set(a, b)

	out, err := first.Command("create", "--as", "alpha", "--role", "lead", "--partner", "beta=tester", "--json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var made bridge.CreateResult
	if err := json.Unmarshal(out, &made); err != nil {
		t.Fatal(err)
	}
	far := workload.Program{Path: "agentbridge", Data: t.TempDir(), Stderr: t.Output()}
	join := far.Command("join", "--as", "beta")
	join.Stdin = strings.NewReader(made.Invites[0].Code)
	if err := join.Run(); err != nil {
		t.Fatal(err)
	}
	beta, err := far.Play(t.Context(), "beta")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 24 {
		switch i {
		case 8:
			f.set(b)
			a.Kill()
		case 16:
			a = start(first)
			f.set(a)
			if err := b.Stop(); err != nil {
				t.Errorf("a hub ended with %v", err)
			}
		}
		text := fmt.Sprintf("message %d", i)
		if err := first.Command("send", "--as", "alpha", "--key", text, text).Run(); err != nil {
			t.Fatal(err)
		}
		got, err := beta.Check(t.Context(), 60)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Messages) != 1 || got.Messages[0].Seq != int64(i+1) || !strings.Contains(got.Messages[0].Text, text) {
			t.Fatalf("after message %d beta has %+v", i, got.Messages)
		}
	}
	if _, err := beta.Check(t.Context(), 0); err != nil { // acks the last
		t.Fatal(err)
	}
	if err := beta.Leave(); err != nil {
		t.Errorf("beta leaves: %v", err)
	}
	state, err := first.Command("partners", "--as", "alpha", "--json").Output()
	if err != nil || bytes.Contains(state, []byte(`"state":"stored"`)) {
		t.Errorf("after all was read, partners says %s, %v", state, err)
	}
}
