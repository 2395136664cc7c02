package mcpserver

import (
	"bufio"
	"encoding/json"
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

// listening is an open keep-alive of an agent.
type listening struct {
	t    *testing.T
	res  *http.Response
	in   *bufio.Reader
	done func()
}

// keepAlive opens the stream of an agent.
func (w *world) keepAlive(t *testing.T, token string) *listening {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://hub/keepalive", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	body, answer := io.Pipe()
	headers := make(chan *http.Response, 1)
	over := make(chan struct{})
	go func() {
		defer close(over)
		w.server.KeepAlive().ServeHTTP(&piped{PipeWriter: answer, header: http.Header{}, sent: headers}, r)
		answer.Close()
	}()
	l := &listening{t: t, res: <-headers, in: bufio.NewReader(body), done: func() { body.Close(); <-over }}
	l.res.Body = body
	t.Cleanup(l.done)
	return l
}

// piped is the server's end of an answer.
type piped struct {
	*io.PipeWriter
	header http.Header
	sent   chan *http.Response
	status int
}

func (p *piped) Header() http.Header { return p.header }
func (p *piped) FlushError() error   { return nil }

func (p *piped) WriteHeader(status int) {
	if p.status == 0 {
		p.status = status
		p.sent <- &http.Response{StatusCode: status, Header: p.header.Clone()}
	}
}

func (p *piped) Write(b []byte) (int, error) {
	p.WriteHeader(http.StatusOK)
	return p.PipeWriter.Write(b)
}

// next is the next event, which must be two lines.
func (l *listening) next() (k bridge.KeepAlive) {
	l.t.Helper()
	data, err := l.in.ReadString('\n')
	if err != nil {
		l.t.Fatalf("the stream ended: %v", err)
	}
	empty, _ := l.in.ReadString('\n')
	data, ok := strings.CutPrefix(data, "data: ")
	if err := json.Unmarshal([]byte(data), &k); err != nil || !ok || empty != "\n" {
		l.t.Fatalf("event %q%q: %v", data, empty, err)
	}
	return k
}

func TestKeepAlive_TellsAtOnceOnEveryChangeAndAsASignOfLife(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Options{})
		_, a := w.agent(t, "alpha")
		token, b := w.agent(t, "beta")
		w.meet(t, a, b)
		w.say(t, a, "one")
		start := time.Now()
		l := w.keepAlive(t, token)
		for header, want := range map[string]string{
			"Content-Type": "text/event-stream", "X-Accel-Buffering": "no", "Cache-Control": "no-store, no-transform",
		} {
			if got := l.res.Header.Get(header); got != want {
				t.Errorf("%s: %q, want %q", header, got, want)
			}
		}
		k := l.next()
		if k.Name != "beta" || k.Unread != 1 || k.NewestAt == nil || k.Heartbeat != 15 || !k.ExpiresAt.Equal(start.Add(3*time.Hour)) {
			t.Errorf("at once: %+v", k)
		}
		time.Sleep(time.Second)
		w.say(t, a, "two")
		if more := l.next(); more.Unread != 2 || !more.NewestAt.After(*k.NewestAt) || time.Since(start) > 2*time.Second {
			t.Errorf("after another message: %+v, %v after the start", more, time.Since(start))
		}
		if alive := l.next(); alive.Unread != 2 || time.Since(start) != 15*time.Second {
			t.Errorf("next: %+v, %v after the start; want a sign of life after 15s", alive, time.Since(start))
		}
		// As many as before, but another: one was read and one sent between two looks.
		if _, err := w.Check(w.ctx, b, bridge.CheckRequest{Limit: 1}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		w.say(t, a, "three")
		if k := l.next(); k.Unread != 2 || !k.NewestAt.Equal(start.Add(16*time.Second)) {
			t.Errorf("after one was read and one sent: %+v", k)
		}
	})
}

func TestKeepAlive_IsAHeartbeatAndNoProgress(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Options{})
		_, a := w.agent(t, "alpha")
		token, b := w.agent(t, "beta")
		id := w.meet(t, a, b)
		w.say(t, a, "one")
		sweeping := w.sweeping()
		defer sweeping()
		l := w.keepAlive(t, token)
		go io.Copy(io.Discard, l.in)
		time.Sleep(7 * time.Hour) // more than two lives of a token
		synctest.Wait()
		if _, err := w.ExtendToken(w.ctx, a.Token()); err != nil { // nobody kept alpha's alive
			t.Fatal(err)
		}
		v, err := w.Show(w.ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range v.Roster {
			if m.Name == "beta" && (m.Liveness != bridge.Idle || m.LastSeen == nil || *m.LastSeen > 20) {
				t.Errorf("beta is %s, last seen %v s ago; want idle and seen", m.Liveness, m.LastSeen)
			}
		}
		if _, err := w.Authenticate(w.ctx, token, bridge.Origin{}); err != nil {
			t.Errorf("after 7 h: %v, want a token that was renewed", err)
		}
	})
}

func TestKeepAlive_OnceIsOneAnswerAndNoHeartbeat(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Options{})
		_, a := w.agent(t, "alpha")
		token, b := w.agent(t, "beta")
		w.meet(t, a, b)
		w.say(t, a, "hello")
		time.Sleep(time.Minute)
		ask := func(token string) *httptest.ResponseRecorder {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://hub/keepalive?once", nil)
			r.Header.Set("Authorization", "Bearer "+token)
			answer := httptest.NewRecorder()
			w.server.KeepAlive().ServeHTTP(answer, r)
			return answer
		}
		var k bridge.KeepAlive
		answer := ask(token)
		if err := json.Unmarshal(answer.Body.Bytes(), &k); err != nil || k.Name != "beta" || k.Unread != 1 || !slices.Equal(k.From, []string{"alpha"}) {
			t.Errorf("%d %s, %v", answer.Code, answer.Body, err)
		}
		partners, err := w.Partners(t.Context(), a, bridge.PartnersRequest{})
		if err != nil || partners.Partners[0].Liveness == bridge.Alive {
			t.Errorf("to others it is %+v, %v; want it silent as before", partners.Partners, err)
		}
		if answer := ask(token + "x"); answer.Code != http.StatusUnauthorized {
			t.Errorf("with a token that is not good: %d %s", answer.Code, answer.Body)
		}
	})
}

func TestKeepAlive_EndsWithItsToken(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Options{})
		token, b := w.agent(t, "beta")
		l := w.keepAlive(t, token)
		l.next()
		start := time.Now()
		if err := w.RevokeToken(w.ctx, b.Token()); err != nil {
			t.Fatal(err)
		}
		if rest, err := io.ReadAll(l.in); len(rest) > 0 || err != nil || time.Since(start) > time.Second {
			t.Errorf("after the token was revoked: %q, %v, after %v; want an end at once", rest, err, time.Since(start))
		}
		refused := w.keepAlive(t, token)
		var e bridge.Error
		err := json.NewDecoder(refused.in).Decode(&e)
		if refused.res.StatusCode != 401 || err != nil || e.Code != bridge.Denied || e.Hint == "" || refused.res.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("then: %d %+v %v, want 401 and the error shape", refused.res.StatusCode, e, err)
		}
	})
}

func TestKeepAlive_ExpiredTokenIsToldHowToRenew(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Options{})
		token, _ := w.agent(t, "beta")
		time.Sleep(4 * time.Hour)
		l := w.keepAlive(t, token)
		var e bridge.Error
		if err := json.NewDecoder(l.in).Decode(&e); err != nil || l.res.StatusCode != 401 || e.Code != bridge.Expired || !strings.Contains(e.Hint, "renew") {
			t.Errorf("%d %+v %v", l.res.StatusCode, e, err)
		}
	})
}

func TestKeepAlive_EndsWithTheServer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Options{})
		token, _ := w.agent(t, "beta")
		l := w.keepAlive(t, token)
		l.next()
		start := time.Now()
		w.server.Close()
		if rest, err := io.ReadAll(l.in); len(rest) > 0 || err != nil || time.Since(start) > time.Second {
			t.Errorf("%q, %v, after %v; want an end at once", rest, err, time.Since(start))
		}
	})
}

func TestKeepAlive_IsAGetOfTheSameOrigin(t *testing.T) {
	w := newWorld(t, Options{})
	token, _ := w.agent(t, "beta")
	for name, test := range map[string]struct {
		method, origin string
		want           int
	}{
		"POST":                {http.MethodPost, "", http.StatusMethodNotAllowed},
		"a page of elsewhere": {http.MethodGet, "https://elsewhere.example", http.StatusForbidden},
	} {
		r := httptest.NewRequest(test.method, "http://hub/keepalive", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		if test.origin != "" {
			r.Header.Set("Origin", test.origin)
		}
		rec := httptest.NewRecorder()
		w.server.KeepAlive().ServeHTTP(rec, r)
		if rec.Code != test.want {
			t.Errorf("%s: %d, want %d", name, rec.Code, test.want)
		}
	}
}

// sweeping sweeps every few seconds, as a hub does, until the returned function is called.
func (w *world) sweeping() (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		every := time.NewTicker(5 * time.Second)
		defer every.Stop()
		for {
			select {
			case <-every.C:
				w.Sweep(w.ctx)
			case <-end:
				return
			}
		}
	}()
	return func() { close(end); <-ended }
}
