package mcpserver

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestHTTP_NeedsAToken(t *testing.T) {
	w := newWorld(t, Options{})
	token, b := w.agent(t, "beta")
	hub := w.hub(t)
	ping := `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{` + modernCall + `}}`
	status := func(change func(*http.Request)) (int, string, string) {
		t.Helper()
		r := post(t.Context(), token, "", ping)
		change(r)
		res, err := hub.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		return res.StatusCode, res.Header.Get("WWW-Authenticate"), string(text)
	}
	if code, _, text := status(func(*http.Request) {}); code != 200 {
		t.Fatalf("with its token: %d %s", code, text)
	}
	const refused = "a valid bearer token is needed\nhint: send that of an agent of this bridge; `agentbridge token list` shows which are valid\n"
	for name, header := range map[string]string{
		"none": "", "other scheme": "Basic " + token, "two": "Bearer " + token + " " + token, "bare": token,
		"wrong": "Bearer " + token[:len(token)-4] + "AAAA", "invented": "Bearer abt1_x_y",
	} {
		code, challenge, text := status(func(r *http.Request) { r.Header.Set("Authorization", header) })
		if code != 401 || !strings.HasPrefix(challenge, `Bearer realm="agentbridge"`) || text != refused {
			t.Errorf("%s: %d %q %q, want 401 and %q", name, code, challenge, text, refused)
		}
	}
	if err := w.RevokeToken(w.ctx, b.Token()); err != nil {
		t.Fatal(err)
	}
	if code, _, text := status(func(*http.Request) {}); code != 401 || text != refused {
		t.Errorf("revoked: %d %q", code, text)
	}
}

func TestHTTP_ExpiredTokenIsToldHowToRenew(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Options{})
		token, _ := w.agent(t, "beta")
		hub := w.hub(t)
		time.Sleep(4 * time.Hour)
		res, err := hub.Do(post(t.Context(), token, "", `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{`+modernCall+`}}`))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		if res.StatusCode != 401 || !strings.Contains(string(text), "renew") || !strings.Contains(res.Header.Get("WWW-Authenticate"), "expired") {
			t.Errorf("%s %s %s", res.Status, res.Header.Get("WWW-Authenticate"), text)
		}
	})
}

func TestHTTP_SessionBelongsToItsToken(t *testing.T) {
	w := newWorld(t, Options{})
	token, _ := w.agent(t, "beta")
	thief, _ := w.agent(t, "gamma")
	hub := w.hub(t)
	beta := (&remote{t: t, hub: hub, token: token}).open()
	for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodDelete} {
		r := post(t.Context(), thief, beta.session, toolCall("1", "check_partners", `{}`))
		r.Method = method
		res, err := hub.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 403 {
			t.Errorf("%s in another's session: %s, want 403", method, res.Status)
		}
	}
	if r := beta.call("1", "check_partners", `{}`); r.Error != nil || r.Result.IsError {
		t.Errorf("its own session does not serve it: %+v", r)
	}
}

// On a real loopback address, as the protection against rebinding looks at it.
func TestHTTP_RefusesPagesOfOtherSites(t *testing.T) {
	for _, o := range []Options{{}, {AnyHost: true}} {
		w := newWorld(t, o)
		token, _ := w.agent(t, "beta")
		srv := httptest.NewServer(w.server.Handler())
		client := srv.Client()
		try := func(change func(*http.Request)) int {
			t.Helper()
			r := post(t.Context(), token, "", `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{`+modernCall+`}}`)
			r.URL.Host, r.Host = srv.Listener.Addr().String(), ""
			change(r)
			res, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			return res.StatusCode
		}
		host := 403
		if o.AnyHost {
			host = 200
		}
		for name, c := range map[string]struct {
			want   int
			change func(*http.Request)
		}{
			"own":              {200, func(*http.Request) {}},
			"own origin":       {200, func(r *http.Request) { r.Header.Set("Origin", "http://"+r.URL.Host) }},
			"foreign origin":   {403, func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }},
			"foreign page":     {403, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }},
			"foreign GET":      {403, func(r *http.Request) { r.Method = "GET"; r.Header.Set("Origin", "https://evil.example") }},
			"rebound host":     {host, func(r *http.Request) { r.Host = "evil.example" }},
			"rebound, legacy":  {host, func(r *http.Request) { r.Host = "evil.example"; legacyInit(r) }},
			"localhost":        {200, func(r *http.Request) { r.Host = "localhost" }},
			"too large":        {413, func(r *http.Request) { fill(r, maxBody+1) }},
			"too large legacy": {413, func(r *http.Request) { fill(r, maxBody+1); r.Header.Del("Mcp-Protocol-Version") }},
		} {
			if got := try(c.change); got != c.want {
				t.Errorf("%s (proxy %v): %d, want %d", name, o.AnyHost, got, c.want)
			}
		}
		client.CloseIdleConnections()
		w.server.Close()
		srv.Close()
	}
}

func legacyInit(r *http.Request) {
	r.Header.Del("Mcp-Protocol-Version")
	r.Body = io.NopCloser(strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`))
	r.ContentLength = -1
}

func fill(r *http.Request, n int) {
	r.Body = io.NopCloser(strings.NewReader(strings.Repeat(" ", n)))
	r.ContentLength = int64(n)
}
