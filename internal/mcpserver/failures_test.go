package mcpserver

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

// knock asks a handler from an address with a token, and gives status, headers and body.
func knock(h http.Handler, method, address, token string, header ...string) (int, http.Header, string) {
	r := httptest.NewRequest(method, "http://hub/", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{`+modernCall+`}}`))
	r.RemoteAddr = address
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	r.Header.Set("Mcp-Protocol-Version", "2026-07-28")
	r.Header.Set("Mcp-Method", "tools/list")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Result().Header, w.Body.String()
}

func TestHTTP_TooManyWrongTokensAreToldWhenToComeBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Options{AnyHost: true}) // so that any Host is served; headers about addresses still count for nothing
		good, b := w.agent(t, "beta")
		mcp, keepAlive := w.server.Handler(), w.server.KeepAlive()
		wrong := good[:len(good)-4] + "AAAA"
		for i := range 20 {
			code, header, _ := knock(mcp, http.MethodPost, fmt.Sprint("192.0.2.1:", 4000+i), wrong, "X-Forwarded-For", fmt.Sprint("198.51.100.", i), "Forwarded", fmt.Sprint("for=198.51.100.", i))
			if code != 401 || header.Get("Retry-After") != "" {
				t.Fatalf("wrong token %d: %d %v", i+1, code, header)
			}
			time.Sleep(time.Second)
		}
		code, header, text := knock(mcp, http.MethodPost, "192.0.2.1:4000", wrong, "X-Forwarded-For", "203.0.113.9")
		if code != 429 || header.Get("Retry-After") != "40" || header.Get("WWW-Authenticate") != "" || !strings.Contains(text, "hint: ") || !strings.Contains(text, "in 40 s") {
			t.Errorf("the 21st: %d %v %s", code, header, text)
		}
		code, header, text = knock(keepAlive, http.MethodGet, "[::ffff:192.0.2.1]:4000", "abt1_x_y")
		var e bridge.Error
		if err := json.Unmarshal([]byte(text), &e); err != nil || code != 429 || e.Code != bridge.RateLimited || strconv.Itoa(e.RetryAfter) != header.Get("Retry-After") || e.RetryAfter != 40 {
			t.Errorf("/keepalive: %d %v %s", code, header, text)
		}
		for what, tt := range map[string]struct {
			address, token string
			want           int
		}{
			"a good token from there":            {"192.0.2.1:4000", good, 200},
			"no token from there":                {"192.0.2.1:4000", "", 401},
			"a wrong token from another place":   {"192.0.2.2:4000", wrong, 401},
			"a wrong token from IPv6":            {"[2001:db8::1]:4000", wrong, 401},
			"a wrong token from who knows where": {"@", wrong, 401},
		} {
			if code, _, text := knock(mcp, http.MethodPost, tt.address, tt.token); code != tt.want {
				t.Errorf("%s: %d %s, want %d", what, code, text, tt.want)
			}
		}
		if err := w.RevokeToken(w.ctx, b.Token()); err != nil {
			t.Fatal(err)
		}
		if code, _, _ := knock(mcp, http.MethodPost, "192.0.2.1:4000", good); code != 429 {
			t.Errorf("once it is revoked: %d, want 429", code)
		}
		time.Sleep(40 * time.Second)
		if code, _, _ := knock(mcp, http.MethodPost, "192.0.2.1:4000", wrong); code != 401 {
			t.Errorf("when it was said to: %d, want 401", code)
		}
	})
}

func TestHTTP_NoTokenCostsNobodyAnything(t *testing.T) {
	w := newWorld(t, Options{AnyHost: true})
	for range 50 {
		if code, _, _ := knock(w.server.Handler(), http.MethodPost, "192.0.2.1:4000", ""); code != 401 {
			t.Fatalf("%d, want 401", code)
		}
	}
	if code, _, _ := knock(w.server.Handler(), http.MethodPost, "192.0.2.1:4000", "abt1_x_y"); code != 401 {
		t.Errorf("then a wrong one: %d, want 401", code)
	}
}

// The text says it too: not every model is shown more.
func TestErrors_TheTextSaysWhenToComeBack(t *testing.T) {
	w := newWorld(t, Options{})
	_, a := w.agent(t, "alpha")
	_, b := w.agent(t, "beta")
	w.meet(t, a, b)
	hub := w.hub(t)
	token, _ := w.agent(t, "gamma")
	x := w.stdio(t, b).open()
	for range 600 {
		x.call("1", "check_partners", `{}`)
	}
	r := x.call("1", "check_partners", `{}`)
	if text := r.Result.Content[0].Text; !r.Result.IsError || !strings.Contains(text, "hint: ") || !strings.Contains(text, "(possible again in ") {
		t.Errorf("a read too many: %+v", r.Result)
	}
	// Over HTTP it is a result too: the request as such is in order.
	res, err := hub.Do(post(t.Context(), token, "", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"join_conversation","arguments":{"code":"x"},`+modernCall+`}}`))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, _ := io.ReadAll(res.Body); res.StatusCode != 200 || !strings.Contains(string(text), `"code":"denied"`) {
		t.Errorf("a wrong code: %s %s", res.Status, text)
	}
}
