package mcpserver

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

// Whatever a client keeps open shows that it is there, and nothing of it that its model does something.
func TestHTTP_EveryOpenRequestIsAHeartbeat(t *testing.T) {
	for name, open := range map[string]func(beta *remote) *http.Request{
		"modern listen": func(beta *remote) *http.Request {
			return post(beta.t.Context(), beta.token, "", `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},`+modernCall+`}}`)
		},
		"legacy stream": func(beta *remote) *http.Request {
			beta.open()
			r := post(beta.t.Context(), beta.token, beta.session, "")
			r.Method, r.Body, r.ContentLength = http.MethodGet, nil, 0
			r.Header.Set("Accept", "text/event-stream")
			return r
		},
		"modern wait": func(beta *remote) *http.Request {
			return post(beta.t.Context(), beta.token, "", beta.body("1", "check_messages", `{"wait_seconds":240}`))
		},
		"legacy wait": func(beta *remote) *http.Request {
			beta.open()
			return post(beta.t.Context(), beta.token, beta.session, beta.body("1", "check_messages", `{"wait_seconds":240}`))
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t, Options{})
				_, a := w.agent(t, "alpha")
				token, b := w.agent(t, "beta")
				w.meet(t, a, b)
				defer w.Attend(a)() // or the watchdog's word of its silence ends beta's wait
				defer w.sweeping()()
				beta := &remote{t: t, hub: w.hub(t), token: token}
				ctx, hangUp := context.WithCancel(t.Context())
				defer hangUp()
				res, err := beta.hub.Do(open(beta).WithContext(ctx))
				if err != nil {
					t.Fatal(err)
				}
				go io.Copy(io.Discard, res.Body)
				look := func(when string, want bridge.Liveness) {
					t.Helper()
					got, err := w.Partners(w.ctx, a, bridge.PartnersRequest{})
					if err != nil {
						t.Fatal(err)
					}
					if got.Partners[0].Liveness != want {
						t.Errorf("%s beta is %s, want %s", when, got.Partners[0].Liveness, want)
					}
				}
				time.Sleep(3*time.Minute + 30*time.Second)
				look("while it is open", bridge.Idle)
				hangUp()
				time.Sleep(time.Minute)
				look("a minute after it was closed", bridge.Silent)
			})
		})
	}
}
