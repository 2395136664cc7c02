package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/workload"
)

// atOnce does it n times each in so many goroutines, and counts the outcomes.
func atOnce(goroutines, n int, do func(g, i int) string) map[string]int {
	var mu sync.Mutex
	var wg sync.WaitGroup
	got := map[string]int{}
	for g := range goroutines {
		wg.Go(func() {
			for i := range n {
				outcome := do(g, i)
				mu.Lock()
				got[outcome]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return got
}

// Every send and every create is a process of its own, six at a time.
func TestLimits_AreOneForAllProcesses(t *testing.T) {
	t.Setenv("AGENTBRIDGE_LIMITS", "strict")
	dir := dataPath(t)
	each := func(args ...string) map[string]int {
		return atOnce(6, 3, func(g, i int) string {
			stdout, stderr, status := run(t, append(args, "--data", dir, "--as", "alpha", "--json")...)
			switch {
			case status == 0:
				return "done"
			case status == 1 && strings.Contains(stdout, `"code":"rate_limited"`) && strings.Contains(stdout, `"retry_after_seconds":`) && strings.Contains(stderr, "(possible again in "):
				return "refused"
			}
			return stdout + stderr
		})
	}
	start := time.Now()
	creates := each("create", "--role", "lead", "--partner", "beta=tester")
	sends := each("send", "--conversation-id", conversation(t, dir), "hello")
	if took := time.Since(start); took > 50*time.Second {
		t.Fatalf("this machine is too slow to tell: %v", took)
	}
	for what, got := range map[string]map[string]int{"creates": creates, "sends": sends} {
		if got["done"] != 10 || got["refused"] != 8 {
			t.Errorf("18 %s by 6 processes at a time: %v, want 10 done", what, got)
		}
	}
}

// conversation is the id of the newest there is.
func conversation(t *testing.T, dir string) string {
	t.Helper()
	stdout, stderr, _ := run(t, "list", "--data", dir, "--json")
	_, rest, _ := strings.Cut(stdout, `"conversation_id":"`)
	id, _, ok := strings.Cut(rest, `"`)
	if !ok {
		t.Fatal(stdout, stderr)
	}
	return id
}

// shortly is limits that are over soon, so that a test sees them begin anew.
func shortly(conf *config) {
	conf.Bridge.LoopGuard = false
	conf.Bridge.Limits = bridge.Limits{Name: "shortly"}
	conf.Bridge.Limits.Budgets[0] = bridge.Budget{Kind: bridge.Write, Of: bridge.EachMember, Windows: [3]bridge.Window{{Max: 10, Per: time.Second}}}
}

// keen sends as alpha until the conversation has so many messages, as fast as it is let: its arguments are the data directory, the
// conversation and the number. It is a process of the test below.
func keen(args []string) int {
	many, _ := strconv.ParseInt(args[2], 10, 64)
	err := withBridge(context.Background(), args[0], func(o *opened) error {
		alpha, err := o.bearer(context.Background(), "alpha")
		if err != nil {
			return err
		}
		for {
			res, err := o.svc.Send(context.Background(), alpha, bridge.SendRequest{Message: "x", Conversation: bridge.ConversationID(args[1])})
			list, failed := o.svc.Messages(context.Background(), bridge.ConversationID(args[1]), many-1, 1)
			switch {
			case failed != nil || err != nil && !errors.Is(err, bridge.RateLimited):
				return errors.Join(err, failed)
			case res.Seq >= many || len(list) > 0:
				return nil
			case err != nil:
				time.Sleep(time.Millisecond) // a pace, and no wait for anything
			}
		}
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// withBridge opens a bridge under limits that are over soon.
func withBridge(ctx context.Context, dir string, fn func(*opened) error) error {
	p := &program{stderr: os.Stderr}
	conf, err := loadConfig(map[string]string{"data": dir}, func(string) string { return "" })
	if err != nil {
		return err
	}
	shortly(conf)
	p.logFrom(conf.Log)
	o, err := p.openAt(ctx, conf, existing)
	if err != nil {
		return err
	}
	return errors.Join(fn(o), o.close())
}

func TestLimits_BeginAnewByThemselvesAndAreExactAcrossProcesses(t *testing.T) {
	dir := dataPath(t)
	if _, stderr, status := run(t, "create", "--data", dir, "--as", "alpha", "--role", "lead", "--partner", "beta=tester"); status != 0 {
		t.Fatal(stderr)
	}
	id := conversation(t, dir)
	const many = 45
	got := atOnce(6, 1, func(int, int) string {
		cmd := exec.Command(os.Args[0], dir, id, strconv.Itoa(many))
		cmd.Args[0] = "keen"
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Run(); err != nil {
			return err.Error() + stderr.String()
		}
		return "done"
	})
	if got["done"] != 6 {
		t.Fatal(got)
	}
	err := withBridge(t.Context(), dir, func(o *opened) error {
		list, err := o.svc.Messages(t.Context(), bridge.ConversationID(id), 0, 0)
		for i, m := range list {
			if i >= 10 && m.SentAt.Sub(list[i-10].SentAt) < time.Second {
				t.Errorf("message %d came %v after the tenth before it, want a second", i+1, m.SentAt.Sub(list[i-10].SentAt))
			}
		}
		if len(list) < many {
			t.Errorf("%d messages", len(list))
		}
		// Six processes that try all the time leave no window half empty.
		if took := list[many-1].SentAt.Sub(list[0].SentAt); took > 6*time.Second {
			t.Errorf("%d messages took %v, want little more than 4 s", many, took)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// A store has one budget of failures, whichever hub they come to.
func TestServe_TwoHubsCountWrongTokensTogether(t *testing.T) {
	dir := dataPath(t)
	one, _ := hub(t, dir)
	two, _ := hub(t, dir)
	good, stderr, status := run(t, "token", "new", "--data", dir, "--name", "gamma")
	if status != 0 {
		t.Fatal(stderr)
	}
	good = strings.TrimSpace(good)
	ask := func(url, token string) (int, http.Header) {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"ping"}`))
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json, text/event-stream")
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Error(err)
			return 0, nil
		}
		defer res.Body.Close()
		io.Copy(io.Discard, res.Body)
		return res.StatusCode, res.Header
	}
	got := atOnce(6, 10, func(g, i int) string {
		code, header := ask([]string{one, two}[(g+i)%2], good[:len(good)-3]+fmt.Sprintf("A%02d", 10*g+i))
		if code == http.StatusTooManyRequests {
			if after, err := strconv.Atoi(header.Get("Retry-After")); err != nil || after < 1 || after > 60 {
				t.Errorf("Retry-After is %q", header.Get("Retry-After"))
			}
		}
		return strconv.Itoa(code)
	})
	if got["401"] != 20 || got["429"] != 40 {
		t.Errorf("60 wrong tokens at two hubs: %v, want 20 × 401 and 40 × 429", got)
	}
	for _, url := range []string{one, two} {
		if code, _ := ask(url, good); code == http.StatusUnauthorized || code == http.StatusTooManyRequests {
			t.Errorf("a good token from the same address: %d", code)
		}
	}
	metrics := ""
	if code, text := page(t, http.MethodGet, strings.TrimSuffix(one, "/mcp")+"/metrics", ""); code == 200 {
		metrics = text
	}
	if !strings.Contains(metrics, `agentbridge_refusals_total{code="rate_limited"} `) || strings.Contains(metrics, `agentbridge_refusals_total{code="rate_limited"} 0`) {
		t.Error("the hub's metrics count no refusals")
	}
}

func TestServe_TwoHubsCountWrongCodesTogether(t *testing.T) {
	dir := dataPath(t)
	first, _ := hub(t, dir)
	second, _ := hub(t, dir)
	agents := []*workload.Player{remote(t, first, dir, "alpha"), remote(t, second, dir, "beta")}
	got := atOnce(2, 15, func(g, i int) string {
		err := agents[g].Call(t.Context(), "join_conversation", map[string]any{"code": "abi1_" + strings.Repeat("A", 32)}, nil)
		for _, code := range []bridge.Code{bridge.Denied, bridge.RateLimited} {
			if errors.Is(err, code) {
				return string(code)
			}
		}
		return fmt.Sprint(err)
	})
	if got["denied"] != 20 || got["rate_limited"] != 10 {
		t.Errorf("30 wrong codes of two agents at two hubs, from one address: %v, want 20 denied and 10 rate_limited", got)
	}
	// What is right is not hindered.
	var made bridge.CreateResult
	if err := agents[0].Call(t.Context(), "create_conversation", map[string]any{"role": "lead", "partners": []any{map[string]any{"name": "beta", "role": "tester"}}}, &made); err != nil {
		t.Fatal(err)
	}
	var joined bridge.JoinResult
	if err := agents[1].Call(t.Context(), "join_conversation", map[string]any{"code": made.Invites[0].Code}, &joined); err != nil {
		t.Error(err)
	}
	if !slices.ContainsFunc(joined.Partners, func(p bridge.You) bool { return p.Name == "alpha" }) {
		t.Errorf("joined %+v", joined)
	}
}
