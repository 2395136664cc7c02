package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"agentbridge/internal/bridge"
)

// redeem is another process that tries one code many times at once: DIR CODE NAME TRIES. It says how many tries succeeded and how many
// were refused, and waits for a line before it begins.
func redeem(args []string, in io.Reader, out io.Writer) error {
	ctx := context.Background()
	p := &program{data: args[0], stdout: io.Discard, stderr: io.Discard}
	o, err := p.open(ctx, existing)
	if err != nil {
		return err
	}
	defer o.close()
	var tries int
	if _, err := fmt.Sscan(args[3], &tries); err != nil {
		return err
	}
	callers := make([]bridge.Caller, 10)
	for i := range callers {
		token, _, err := o.svc.NewAgent(ctx, fmt.Sprintf("%s-%d", args[2], i), false)
		if err != nil {
			return err
		}
		if callers[i], err = o.svc.Authenticate(ctx, token, bridge.Origin{}); err != nil {
			return err
		}
	}
	return try(in, out, tries, func(i int) (bool, error) {
		_, err := o.svc.Join(ctx, callers[i%len(callers)], bridge.JoinRequest{Code: args[1]})
		return err == nil, err
	})
}

func TestJoin_OneCodeSeatsOnceInTenThousandTriesOfFourProcesses(t *testing.T) {
	processes, tries := 4, 2500
	if testing.Short() { // the race detector makes them wait for each other longer than a try may take
		tries /= 10
	}
	t.Setenv("AGENTBRIDGE_LIMITS", "off")
	dir := dataPath(t)
	alpha := connect(t, dir, "alpha")
	var made bridge.CreateResult
	partners := []any{map[string]any{"name": "beta", "role": "tester"}}
	if err := alpha.Call(t.Context(), "create_conversation", map[string]any{"partners": partners}, &made); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	seated, refused := race(t, "redeem", processes, func(i int) []string {
		return []string{dir, made.Invites[0].Code, fmt.Sprint("racer", i), fmt.Sprint(tries)}
	})
	t.Logf("%d tries of %d processes in %s: %d seated", processes*tries, processes, time.Since(start).Round(time.Millisecond), seated)
	if seated != 1 || refused != processes*tries-1 {
		t.Errorf("%d tries were seated and %d refused, want 1 and %d", seated, refused, processes*tries-1)
	}
	view, err := openStore(t, dir).svc.Show(t.Context(), made.Conversation)
	if err != nil || len(view.Members) != 2 {
		t.Errorf("members %v, %v", view.Members, err)
	}
}

// A revocation ends what is open in every process: a wait on stdio, a wait over HTTP and a keep-alive.
func TestTokenRevoke_EndsWaitsOfEveryProcessAtOnce(t *testing.T) {
	dir := dataPath(t)
	url, _ := hub(t, dir)
	alpha, local := connect(t, dir, "alpha"), connect(t, dir, "beta")
	meet(t, alpha, local)
	text, err := os.ReadFile(dir + "/agents/beta.token")
	if err != nil {
		t.Fatal(err)
	}
	token := strings.TrimSpace(string(text))
	session, err := mcp.NewClient(&mcp.Implementation{Name: "tester", Version: "1"}, nil).Connect(t.Context(), &mcp.StreamableClientTransport{
		Endpoint: url, HTTPClient: &http.Client{Transport: bearer(token)}, DisableStandaloneSSE: true,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close() })
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.TrimSuffix(url, "/mcp")+"/keepalive", nil)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := (&http.Client{Transport: bearer(token)}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	events := bufio.NewReader(stream.Body)
	if _, err := events.ReadString('\n'); err != nil {
		t.Fatal(err)
	}

	type end struct {
		what string
		at   time.Time
		code string
	}
	ends := make(chan end, 3)
	go func() {
		_, err := local.Check(t.Context(), 200)
		ends <- end{"the wait on stdio", time.Now(), string(bridge.AsError(err).Code)}
	}()
	wait := &mcp.CallToolParams{Name: "check_messages", Arguments: map[string]any{"wait_seconds": 200}}
	go func() {
		res, err := session.CallTool(t.Context(), wait)
		code := fmt.Sprint(err)
		if err == nil {
			shape, _ := res.StructuredContent.(map[string]any)
			code = fmt.Sprint(shape["code"])
		}
		ends <- end{"the wait over HTTP", time.Now(), code}
	}()
	go func() {
		io.Copy(io.Discard, events)
		ends <- end{"the keep-alive", time.Now(), "denied"}
	}()
	o := openStore(t, dir)
	c, err := o.bearer(t.Context(), "beta")
	if err != nil {
		t.Fatal(err)
	}
	// Both wait once the bridge has seen both instances do something after they met.
	for {
		charges := 0
		err := o.store.View(t.Context(), func(tx bridge.Tx) error {
			seen, err := tx.Presence(c.Agent())
			charges = len(seen)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if charges >= 2 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	start := time.Now()
	if _, stderr, status := run(t, "token", "revoke", "--data", dir, string(c.Token())); status != 0 {
		t.Fatal(stderr)
	}
	done := time.Now()
	for range 3 {
		e := <-ends
		if e.code != "denied" || e.at.Sub(done) > 2*time.Second {
			t.Errorf("%s ended %s after the revocation with %s, want at once and denied", e.what, e.at.Sub(done), e.code)
		}
		t.Logf("%s ended %s after revoke began, %s after it was done", e.what, e.at.Sub(start).Round(time.Millisecond), e.at.Sub(done).Round(time.Millisecond))
	}
	if _, err := local.Check(t.Context(), 0); bridge.AsError(err).Code != bridge.Denied {
		t.Errorf("the next call on stdio: %v", err)
	}
	res, err := http.DefaultTransport.RoundTrip(withBearer(t, url, token))
	if err != nil {
		t.Fatal(err)
	}
	if res.Body.Close(); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("the next request over HTTP: %s", res.Status)
	}
}

func withBearer(t *testing.T, url, token string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

// A process that runs when the key is rotated goes on, with a token of the new key.
func TestKeyRotate_ARunningProcessGetsItselfANewTokenAndGoesOn(t *testing.T) {
	dir := dataPath(t)
	err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, fileName), []byte("heartbeat = \"100ms\"\n"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	url, _ := hub(t, dir)
	alpha, beta := connect(t, dir, "alpha"), connect(t, dir, "beta")
	meet(t, alpha, beta)
	far := remote(t, url, dir, "gamma")
	var wg sync.WaitGroup
	for range 3 { // at once: one after the other
		wg.Go(func() {
			if _, stderr, status := run(t, "key", "rotate", "--retire-after", "1m", "--data", dir); status != 0 {
				t.Error(stderr)
			}
		})
	}
	wg.Wait()
	o := openStore(t, dir)
	keys, err := o.svc.Keys(t.Context())
	if err != nil || len(keys) != 4 {
		t.Fatalf("after three rotations at once: %+v, %v; want four keys", keys, err)
	}
	moved := func(name string) bool {
		text, err := os.ReadFile(o.tokenPath(name))
		return err == nil && strings.HasPrefix(string(text), "abt1_"+keys[0].ID+"_")
	}
	for deadline := time.Now().Add(20 * time.Second); !moved("alpha") || !moved("beta"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the running processes did not get themselves tokens of the new key")
		}
	}
	send(t, alpha, "after")
	if got := check(t, beta, 5); len(got.Messages) != 1 {
		t.Errorf("beta got %+v", got.Messages)
	}
	var seen bridge.PartnersResult
	if err := far.Call(t.Context(), "check_partners", map[string]any{}, &seen); err != nil {
		t.Errorf("over HTTP, with a token of the older key: %v", err)
	}
	if _, err := remote(t, url, dir, "delta").Check(t.Context(), 0); err != nil { // signed by the newest, which the hub finds
		t.Errorf("over HTTP, with a token of the new key: %v", err)
	}
	if out, _, status := run(t, "token", "list", "--data", dir); status != 0 || strings.Contains(out, "forged") {
		t.Errorf("token list: %s", out)
	}
}
