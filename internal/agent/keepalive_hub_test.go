package agent

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"agentbridge/internal/bridge"
)

func TestNewHub_TakesNoAddressWhereTheTokenWouldCrossTheNetworkInClear(t *testing.T) {
	for address, want := range map[string]string{ // empty: refused
		"http://127.0.0.1:7483":            "http://127.0.0.1:7483",
		"http://127.0.0.1:7483/mcp":        "http://127.0.0.1:7483",
		"http://localhost:7483/":           "http://localhost:7483",
		"http://[::1]:7483":                "http://[::1]:7483",
		"https://hub.example":              "https://hub.example",
		"https://hub.example/team/mcp/":    "https://hub.example/team",
		"http://hub.example":               "",
		"http://192.0.2.1:7483":            "",
		"http://127.0.0.1.example":         "",
		"http://localhost.example":         "",
		"https://user:hunter2@hub.example": "",
		"127.0.0.1:7483":                   "",
		"hub.example":                      "",
		"":                                 "",
		"ftp://127.0.0.1":                  "",
		"https://hub.example?token=x":      "",
		"http://127.0.0.1:x%zz":            "",
	} {
		h, err := NewHub(bridge.HubAddress{URL: address}, "abt1_secret", time.Second)
		switch {
		case want == "":
			if e := bridge.AsError(err); !errors.Is(err, bridge.Invalid) || e.Hint == "" || strings.Contains(e.Message+e.Hint, "hunter2") {
				t.Errorf("%q: %v, want invalid, with a way out and no password", address, err)
			}
		case err != nil || h.where() != want:
			t.Errorf("%q: %v %v, want %s", address, h, err, want)
		}
	}
}

// What is no hub, or not ours, is told apart from a hub that is away for a while.
func TestHub_RefusalsSayWhatToDo(t *testing.T) {
	const trap = "\x1b]0;owned\x07"
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		want   bridge.Code
	}{
		"no token":      {answer(401, "text/plain", trap), bridge.Denied},
		"revoked":       {answer(401, "application/json", `{"code":"denied","message":"`+"owned"+`"}`), bridge.Denied},
		"expired":       {answer(401, "application/json", `{"code":"expired","message":"owned","hint":"owned"}`), bridge.Expired},
		"not there":     {answer(404, "text/html", trap), bridge.NotFound},
		"another thing": {answer(200, "text/html", trap), bridge.Invalid},
		"elsewhere": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.0.2.1/keepalive", http.StatusTemporaryRedirect)
		}, bridge.Invalid},
		"restarting":       {answer(503, "text/html", trap), bridge.Unavailable},
		"busy":             {answer(429, "text/html", trap), bridge.Unavailable},
		"broken":           {answer(500, "application/json", `{"code":"internal"}`), bridge.Unavailable},
		"nonsense":         {answer(200, "text/event-stream", "data: owned\n\n"), bridge.Unavailable},
		"an unfit name":    {answer(200, "text/event-stream", `data: {"name":"`+`\u001b[2J`+`"}`+"\n\n"), bridge.Unavailable},
		"a line unbounded": {answer(200, "text/event-stream", "data: "+strings.Repeat("x", maxLine)), ""},
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(test.answer)
			defer srv.Close()
			h, err := NewHub(bridge.HubAddress{URL: srv.URL}, "abt1_secret", time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			err = h.follow(t.Context(), func(bridge.KeepAlive) error { return errors.New("it told something") })
			if test.want != "" && !errors.Is(err, test.want) {
				t.Errorf("%v, want %s", err, test.want)
			}
			e := bridge.AsError(err)
			if said := reason(err) + e.Message + e.Hint; strings.ContainsAny(said, "\x1b\x07") || strings.Contains(said, "owned") || strings.Contains(said, "secret") {
				t.Errorf("says %q", said)
			}
			if test.want != "" && test.want != bridge.Unavailable && e.Hint == "" {
				t.Errorf("%v has no way out", err)
			}
		})
	}
}

func answer(status int, kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

// A hub that was one and answers otherwise for a while, as behind a proxy while it is replaced, is tried again.
func TestKeepAlive_GoesOnWhereAHubIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		n := 0
		w.serve(func(rw http.ResponseWriter, r *http.Request) {
			if n++; n%2 == 1 {
				answer(200, "text/event-stream", `data: {"name":"beta"}`+"\n\n")(rw, r)
			} else {
				answer(404, "text/html", "")(rw, r)
			}
		}, func() {})
		end := w.keep(w.remote())
		time.Sleep(time.Minute)
		w.stop()
		if err := end(); err != nil || n < 4 {
			t.Errorf("%v after %d tries", err, n)
		}
	})
}

func TestReason_IsShortAndHarmless(t *testing.T) {
	if got := reason(errors.New("a\x1b[2Jb\r\nc" + strings.Repeat("x", 500))); strings.ContainsAny(got, "\x1b\r\n") || len(got) > maxReason {
		t.Errorf("%q", got)
	}
}

func TestWaiting_TakesTheAnswerOfAHub(t *testing.T) {
	hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != keepAlivePath || r.URL.RawQuery != "once" || r.Header.Get("Authorization") != "Bearer token" {
			t.Errorf("asked for %s", r.URL)
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"name":"beta","unread":2,"from":["alpha"]}`)
	}))
	defer hub.Close()
	h, err := NewHub(bridge.HubAddress{URL: hub.URL + "/mcp"}, "token", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if k, err := Waiting(t.Context(), h); err != nil || k.Name != "beta" || k.Unread != 2 || !slices.Equal(k.From, []string{"alpha"}) {
		t.Errorf("Waiting = %+v, %v", k, err)
	}
}
