package mcpserver

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"agentbridge/internal/bridge"
)

const modernCall = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`

// post makes a request as a client of the newer protocol does, or of the older one within a session.
func post(ctx context.Context, token, session, body string) *http.Request {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://hub/mcp", strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	r.Header.Set("Authorization", "Bearer "+token)
	if strings.Contains(body, modernCall) {
		r.Header.Set("Mcp-Protocol-Version", "2026-07-28")
		for _, method := range []string{"tools/call", "tools/list", "subscriptions/listen", "resources/read"} {
			if strings.Contains(body, `"`+method+`"`) {
				r.Header.Set("Mcp-Method", method)
			}
		}
		if _, rest, ok := strings.Cut(body, `"name":"`); ok {
			name, _, _ := strings.Cut(rest, `"`)
			r.Header.Set("Mcp-Name", name)
		}
	}
	if session != "" {
		r.Header.Set("Mcp-Session-Id", session)
	}
	return r
}

// remote is a client over HTTP, at the level of requests.
type remote struct {
	t       *testing.T
	hub     *http.Client
	token   string
	session string // empty: of the newer protocol
}

func (c *remote) body(id, name, arguments string) string {
	if c.session != "" {
		return toolCall(id, name, arguments)
	}
	return `{"jsonrpc":"2.0","id":` + id + `,"method":"tools/call","params":{"name":"` + name + `","arguments":` + arguments + `,` + modernCall + `}}`
}

func (c *remote) do(ctx context.Context, body string) *http.Response {
	c.t.Helper()
	res, err := c.hub.Do(post(ctx, c.token, c.session, body))
	if err != nil {
		c.t.Fatal(err)
	}
	return res
}

// call calls a tool and reads the whole answer.
func (c *remote) call(id, name, arguments string) reply {
	c.t.Helper()
	res := c.do(c.t.Context(), c.body(id, name, arguments))
	defer res.Body.Close()
	all, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return parse(c.t, lastEvent(string(all)))
}

// lastEvent is the data of the last event of a stream.
func lastEvent(stream string) string {
	_, data, _ := strings.Cut(stream[strings.LastIndex(stream, "\ndata: ")+1:], "data: ")
	data, _, _ = strings.Cut(data, "\n")
	return data
}

// open begins a session of the older protocol.
func (c *remote) open() *remote {
	c.t.Helper()
	res := c.do(c.t.Context(), `{"jsonrpc":"2.0","id":"open","method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"tester","version":"1"}}}`)
	io.Copy(io.Discard, res.Body)
	res.Body.Close()
	if c.session = res.Header.Get("Mcp-Session-Id"); c.session == "" {
		c.t.Fatalf("no session: %s", res.Status)
	}
	c.do(c.t.Context(), `{"jsonrpc":"2.0","method":"notifications/initialized"}`).Body.Close()
	return c
}

// eras runs a story for a client of either protocol.
func eras(t *testing.T, o Options, story func(t *testing.T, w *world, say func(string), states func() []string, beta *remote)) {
	for _, era := range []string{"modern", "legacy"} {
		t.Run(era, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t, o)
				_, a := w.agent(t, "alpha")
				token, b := w.agent(t, "beta")
				w.meet(t, a, b)
				beta := &remote{t: t, hub: w.hub(t), token: token}
				if era == "legacy" {
					beta.open()
				}
				story(t, w, func(text string) { w.say(t, a, text) }, func() []string { return w.states(t, a) }, beta)
			})
		})
	}
}

func TestHTTP_NextCallAcksWhatWasWritten(t *testing.T) {
	eras(t, Options{}, func(t *testing.T, _ *world, say func(string), states func() []string, beta *remote) {
		say("one")
		expect(t, "messages", beta.call("1", "check_messages", checkNow).texts(), "one")
		expect(t, "states", states(), "delivered")
		expect(t, "messages", beta.call("2", "check_messages", checkNow).texts())
		expect(t, "states", states(), "acked implied")
	})
}

func TestHTTP_OverlappingCallsDoNotAckEachOther(t *testing.T) {
	eras(t, Options{}, func(t *testing.T, _ *world, say func(string), states func() []string, beta *remote) {
		got := make(chan reply)
		for _, id := range []string{"1", "2"} {
			go func() { got <- beta.call(id, "check_messages", checkLong) }()
		}
		synctest.Wait()
		say("one")
		<-got
		synctest.Wait()
		expect(t, "states", states(), "delivered")
		say("two")
		<-got
		expect(t, "states", states(), "delivered", "delivered")
		beta.call("3", "check_messages", checkNow)
		expect(t, "states", states(), "acked implied", "acked implied")
	})
}

func TestHTTP_ClosingTheStreamEndsTheWait(t *testing.T) {
	eras(t, Options{}, func(t *testing.T, _ *world, say func(string), states func() []string, beta *remote) {
		ctx, leave := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := beta.hub.Do(post(ctx, beta.token, beta.session, beta.body("1", "check_messages", checkLong)))
			done <- err
		}()
		synctest.Wait()
		leave()
		<-done
		synctest.Wait()
		say("one")
		synctest.Wait()
		expect(t, "states", states(), "stored")
		expect(t, "messages", beta.call("2", "check_messages", checkNow).texts(), "one")
	})
}

func TestHTTP_AnswerThatNobodyReadIsGivenBack(t *testing.T) {
	eras(t, Options{}, func(t *testing.T, w *world, say func(string), states func() []string, beta *remote) {
		say("one")
		// The connection has no buffer, so what is not read is not written.
		conn, err := beta.hub.Transport.(*http.Transport).DialContext(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		if err := post(t.Context(), beta.token, beta.session, beta.body("1", "check_messages", checkNow)).Write(conn); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		expect(t, "states", states(), "delivered")
		conn.Close()
		synctest.Wait()
		expect(t, "states", states(), "stored")
		expect(t, "messages", beta.call("2", "check_messages", checkNow).texts(), "one")
		expect(t, "states", states(), "delivered")
	})
}

func TestHTTP_LegacyCancelTakesTheAnswerBack(t *testing.T) {
	for _, o := range []Options{{}, {Sessionless: true}} {
		inBubble(t, func(t *testing.T) {
			w := newWorld(t, o)
			_, a := w.agent(t, "alpha")
			token, b := w.agent(t, "beta")
			w.meet(t, a, b)
			beta := &remote{t: t, hub: w.hub(t), token: token}
			if o.Sessionless {
				beta.session = "none"
			} else {
				beta.open()
			}
			w.say(t, a, "one")
			expect(t, "messages", beta.call("7", "check_messages", checkNow).texts(), "one")
			beta.do(t.Context(), `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}`).Body.Close()
			synctest.Wait()
			expect(t, "states", w.states(t, a), "stored")

			waiting := make(chan struct{})
			beta.call("8", "check_messages", checkNow)
			beta.call("9", "check_messages", checkNow)
			go func() { defer close(waiting); beta.call("10", "check_messages", checkLong) }()
			synctest.Wait()
			beta.do(t.Context(), `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":10}}`).Body.Close()
			<-waiting
			w.say(t, a, "two")
			synctest.Wait()
			expect(t, "states", w.states(t, a), "acked implied", "stored")
		})
	}
}

func TestHTTP_KeepsAWaitingStreamAlive(t *testing.T) {
	for _, test := range []struct {
		name, legacy, modern string // the meta of either
		want                 []string
	}{
		{"progress is asked for", `"progressToken":5`, `"progressToken":5,`, []string{
			"notifications/progress at 3s", "notifications/progress at 13s", "notifications/progress at 23s", "notifications/progress at 33s", " at 35s",
		}},
		{"nothing is", ``, ``, []string{"keep-alive at 15s", "keep-alive at 30s", " at 35s"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			eras(t, Options{}, func(t *testing.T, w *world, _ func(string), _ func() []string, beta *remote) {
				defer w.sweeping()()
				body := beta.body("1", "check_messages", `{"wait_seconds":35}`)
				if beta.session == "" {
					body = strings.Replace(body, `"_meta":{`, `"_meta":{`+test.modern, 1)
				} else {
					body = strings.Replace(body, `"arguments"`, `"_meta":{`+test.legacy+`},"arguments"`, 1)
				}
				keepsAlive(t, w, beta, body, test.want)
			})
		})
	}
}

// keepsAlive calls a tool that waits for 35 s and compares what the stream says meanwhile.
func keepsAlive(t *testing.T, w *world, beta *remote, body string, want []string) {
	start := time.Now()
	r := post(t.Context(), beta.token, beta.session, body)
	r.Header.Set("Mcp-Protocol-Version", map[bool]string{true: "2026-07-28", false: "2025-06-18"}[beta.session == ""])
	r.Header.Set("Mcp-Method", "tools/call")
	r.Header.Set("Mcp-Name", "check_messages")
	res, err := beta.hub.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	for header, want := range map[string]string{"X-Accel-Buffering": "no", "Cache-Control": "no-store, no-transform", "Content-Type": "text/event-stream"} {
		if got := res.Header.Get(header); got != want {
			t.Errorf("%s = %q, want %q", header, got, want)
		}
	}
	var seen []string
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		at := " at " + time.Since(start).String()
		switch line := lines.Text(); {
		case line == ": keep-alive":
			seen = append(seen, "keep-alive"+at)
		case strings.HasPrefix(line, "data: "):
			seen = append(seen, parse(t, line[6:]).Method+at)
		}
	}
	expect(t, "stream", seen, want...)
	res2, err := w.Partners(w.ctx, alphaOf(t, w), bridge.PartnersRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if p := res2.Partners[0]; p.Liveness != bridge.Alive || p.LastSeen == nil || *p.LastSeen > 15 {
		t.Errorf("after a wait of 35 s beta is %+v, want its wait to count as heartbeats", p)
	}
}

func alphaOf(t *testing.T, w *world) bridge.Caller {
	_, a := w.agent(t, "alpha")
	return a
}

func TestHTTP_CloseAnswersThoseWhoWait(t *testing.T) {
	eras(t, Options{}, func(t *testing.T, w *world, _ func(string), _ func() []string, beta *remote) {
		got := make(chan reply)
		go func() { got <- beta.call("1", "check_messages", checkLong) }()
		synctest.Wait()
		go w.server.Close()
		if r := <-got; r.Error != nil || r.Result.IsError || r.Result.Structured.Unread == nil {
			t.Errorf("a wait ended by closing was answered with %+v", r)
		}
	})
}

// bearer adds a token to every request of a real client.
type bearer struct {
	token string
	next  http.RoundTripper
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.next.RoundTrip(r)
}

// dial connects a real client over HTTP.
func (w *world) dial(t testing.TB, hub *http.Client, token, version string, o *mcp.ClientOptions) *mcp.ClientSession {
	t.Helper()
	session, err := mcp.NewClient(&mcp.Implementation{Name: "tester", Version: "1"}, o).Connect(w.ctx, &mcp.StreamableClientTransport{
		Endpoint: "http://hub/mcp", HTTPClient: &http.Client{Transport: bearer{token, hub.Transport}},
	}, &mcp.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close() })
	return session
}

func TestHTTP_ServesBothGenerationsAtOneAddress(t *testing.T) {
	for _, o := range []Options{{}, {Sessionless: true}} {
		w := newWorld(t, o)
		hub := w.hub(t)
		token, _ := w.agent(t, "alpha")
		versions := []string{"2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"}
		var sessions []*mcp.ClientSession
		for _, version := range versions {
			session := w.dial(t, hub, token, version, nil)
			if got := session.InitializeResult().ProtocolVersion; got != version {
				t.Errorf("asked for %s, got %s", version, got)
			}
			sessions = append(sessions, session)
		}
		for i, session := range sessions { // all of them open
			list, err := session.ListTools(w.ctx, nil)
			if err != nil || len(list.Tools) != len(tools)-1 {
				t.Errorf("%s: %v tools, %v", versions[i], list, err)
			}
			res, err := session.CallTool(w.ctx, &mcp.CallToolParams{Name: "create_conversation", Arguments: map[string]any{
				"partners": []any{map[string]any{"name": "beta", "role": "helper"}},
			}})
			if err != nil || res.IsError {
				t.Errorf("%s: %v, %v", versions[i], res, err)
			}
		}
	}
}
