package mcpserver

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"agentbridge/internal/bridge"
)

// desk is a hub's door for remote agents' processes.
func (w *world) desk(t *testing.T) func(token, name, body string, headers ...string) (status int, answer string) {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle(AgentsPath, w.server.Agents())
	client := w.serve(t, mux)
	return func(token, name, body string, headers ...string) (int, string) {
		req, err := http.NewRequestWithContext(w.ctx, http.MethodPost, "http://hub"+AgentsPath+name, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		for i := 0; i < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		res, err := client.Do(req)
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
}

func TestAgents_OnlyAgentsGetIn(t *testing.T) {
	w := newWorld(t, Options{})
	call := w.desk(t)
	token, c := w.agent(t, "alpha")
	if status, answer := call(token, "unread", `{"request":{}}`); status != 200 || strings.TrimSpace(answer) != `{"result":0}` {
		t.Fatalf("alpha: %d %s", status, answer)
	}
	for what, got := range map[string]func() (int, string){
		"nobody":   func() (int, string) { return call("", "unread", `{"request":{}}`) },
		"no token": func() (int, string) { return call("abt1_x_y", "unread", `{"request":{}}`) },
		"revoked": func() (int, string) {
			if err := w.RevokeToken(w.ctx, c.Token()); err != nil {
				t.Fatal(err)
			}
			return call(token, "unread", `{"request":{}}`)
		},
	} {
		if status, answer := got(); status != http.StatusUnauthorized || !strings.Contains(answer, `"code":"denied"`) {
			t.Errorf("%s: %d %s, want 401 and the error shape", what, status, answer)
		}
	}
}

func TestAgents_WhatIsNoCallIsRefused(t *testing.T) {
	w := newWorld(t, Options{})
	call := w.desk(t)
	token, _ := w.agent(t, "alpha")
	const secret = "AKIAIOSFODNN7EXAMPLQ"
	for what, q := range map[string]struct {
		name, body string
		headers    []string
		status     int
		says       string
	}{
		"no such call":          {"rename", `{"request":{}}`, nil, 200, `"code":"invalid"`},
		"a path":                {"send/../unread", `{"request":{}}`, nil, 0, ``},
		"not JSON":              {"send", secret, nil, 400, "a JSON object is needed"},
		"an unknown field":      {"send", `{"request":{"message":"x","` + secret + `":1}}`, nil, 200, `"code":"invalid"`},
		"of another type":       {"send", `{"request":"` + secret + `"}`, nil, 200, `"code":"invalid"`},
		"from a web page":       {"send", `{"request":{}}`, []string{"Sec-Fetch-Site", "cross-site"}, 403, ""},
		"taking without name":   {"check", `{"request":{}}`, nil, 200, `"code":"invalid"`},
		"taking with a bad one": {"claim", `{"call":"a#b-0123456","request":{}}`, nil, 200, `"code":"invalid"`},
		"undoing nothing":       {"recall", `{"request":{}}`, nil, 200, `"code":"invalid"`},
	} {
		status, answer := call(token, q.name, q.body, q.headers...)
		if q.status != 0 && (status != q.status || !strings.Contains(answer, q.says)) || strings.Contains(answer, secret) {
			t.Errorf("%s: %d %s, want %d %s", what, status, answer, q.status, q.says)
		}
	}
}

func TestAgents_WhatIsTooMuchIsRefused(t *testing.T) {
	w := newWorld(t, Options{})
	token, _ := w.agent(t, "alpha")
	req := httptest.NewRequest(http.MethodPost, AgentsPath+"send", strings.NewReader(`{"request":{"message":"`+strings.Repeat("x", maxBody)+`"}}`))
	req.Header.Set("Authorization", "Bearer "+token)
	res := httptest.NewRecorder() // not over a connection, which would take half a second to end
	w.server.Agents().ServeHTTP(res, req)
	if res.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("%d %s, want 413", res.Code, res.Body)
	}
}

func TestAgents_ACallThatWasUndoneTakesNothingAnyMore(t *testing.T) {
	w := newWorld(t, Options{})
	call := w.desk(t)
	_, a := w.agent(t, "alpha")
	token, b := w.agent(t, "beta")
	w.meet(t, a, b)
	w.say(t, a, "one")
	check := func(name string) string {
		_, answer := call(token, "check", `{"call":"`+name+`","request":{"Wait":60000000000}}`) // a hub does not wait here
		return answer
	}
	if _, answer := call(token, "recall", `{"call":"firsttry"}`); !strings.Contains(answer, `{"result":{}}`) {
		t.Fatalf("recall before it arrives: %s", answer)
	}
	if got := check("firsttry"); !strings.Contains(got, `"code":"conflict"`) {
		t.Errorf("it arrives late: %s", got)
	}
	if got := check("nexttry00"); !strings.Contains(got, "one") {
		t.Errorf("the next: %s", got)
	}
	expect(t, "states", w.states(t, a), "delivered")
	call(token, "recall", `{"call":"nexttry00"}`)
	expect(t, "undone", w.states(t, a), "stored")
}

func TestAgents_ACallIsUndoneByTheTokenThatFollowed(t *testing.T) {
	w := newWorld(t, Options{})
	call := w.desk(t)
	_, a := w.agent(t, "alpha")
	token, b := w.agent(t, "beta")
	w.meet(t, a, b)
	w.say(t, a, "one")
	next, err := w.NewToken(t.Context(), b.Agent())
	if err != nil {
		t.Fatal(err)
	}
	call(next, "recall", `{"call":"firsttry"}`)
	if _, got := call(token, "check", `{"call":"firsttry","request":{}}`); !strings.Contains(got, `"code":"conflict"`) {
		t.Errorf("it arrives late, with the token before: %s", got)
	}
	expect(t, "states", w.states(t, a), "stored")
}

// A hub shows that it is at a call that takes its time, and ends it when the token is revoked.
func TestAgents_AWaitShowsThatItGoesOnAndEndsWithItsToken(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Options{})
		mux := http.NewServeMux()
		mux.Handle(AgentsPath, w.server.Agents())
		client := w.serve(t, mux)
		_, a := w.agent(t, "alpha")
		token, b := w.agent(t, "beta")
		w.meet(t, a, b)
		body, err := json.Marshal(AgentCall{Request: json.RawMessage(`{"Wait":240000000000}`)})
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(w.ctx, http.MethodPost, "http://hub"+AgentsPath+"await_messages", strings.NewReader(string(body)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		start := time.Now()
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if took := time.Since(start); took > AgentBeat {
			t.Errorf("the first sign of life came after %v", took)
		}
		read := make(chan string)
		go func() {
			text, err := io.ReadAll(res.Body)
			if err != nil {
				t.Error(err)
			}
			read <- string(text)
		}()
		time.Sleep(20*AgentBeat + AgentBeat/4)
		if err := w.RevokeToken(w.ctx, b.Token()); err != nil {
			t.Fatal(err)
		}
		start = time.Now()
		text := <-read
		if n := strings.Count(text, "\n"); n < 20 || n > 23 || !strings.Contains(text, `"code":"denied"`) || time.Since(start) > time.Second {
			t.Errorf("after %v: %q, want a sign of life every %v and then denied", time.Since(start), text, AgentBeat)
		}
		synctest.Wait()
	})
}

// What an agent may not do on the machine itself it may not do from afar.
func TestAgents_TheRulesAreTheBridges(t *testing.T) {
	w := newWorld(t, Options{})
	call := w.desk(t)
	_, a := w.agent(t, "alpha")
	token, b := w.agent(t, "beta")
	_, c := w.agent(t, "gamma")
	id := w.meet(t, a, c)
	w.say(t, a, "not for beta")
	res, err := w.Check(context.Background(), c, bridge.CheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for name, request := range map[string]string{
		"conversation": `"` + string(id) + `"`,
		"await_change": `{"conversation_id":"` + string(id) + `","seen":{"entries":0,"phase":""},"wait":0}`,
		"send":         `{"conversation_id":"` + string(id) + `","message":"x"}`,
		"ack":          `"` + string(res.Receipt) + `"`,
		"give_back":    `"` + string(res.Receipt) + `"`,
	} {
		if _, answer := call(token, name, `{"request":`+request+`}`); !strings.Contains(answer, `"code":"denied"`) {
			t.Errorf("%s: %s, want denied", name, answer)
		}
	}
	// An invite by name alone is for agents of this machine's own files.
	if _, err := w.Create(w.ctx, a, bridge.CreateRequest{Conversation: id, Partners: []bridge.Partner{{Name: b.Name(), Role: "x"}}}); err != nil {
		t.Fatal(err)
	}
	if _, answer := call(token, "join", `{"request":{}}`); !strings.Contains(answer, "no code is given") {
		t.Errorf("join without a code: %s", answer)
	}
}
