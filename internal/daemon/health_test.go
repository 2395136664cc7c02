package daemon

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func ask(t *testing.T, h http.Handler) (code int, state healthState) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/healthz", nil))
	if err := json.Unmarshal(w.Body.Bytes(), &state); err != nil {
		t.Fatal(err)
	}
	return w.Code, state
}

func TestHealth_FailsOnceSweepsStayAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		h := NewHealth(w.Service, 5*time.Second, w.log)
		want := func(when string, code int, reason string) {
			t.Helper()
			if got, state := ask(t, h); got != code || !strings.Contains(state.Reason, reason) || (state.Status == "ok") != (code == 200) {
				t.Errorf("%s: %d %+v, want %d and %q", when, got, state, code, reason)
			}
		}
		want("at once, before any sweep could be", 200, "")
		time.Sleep(20 * time.Second)
		want("after 20 s", 200, "")
		time.Sleep(time.Second)
		want("after 21 s without a sweep", 503, "no sweep ended well")
		h.sweptNow()
		want("after a sweep", 200, "")
		if _, state := ask(t, h); state.Swept == nil || *state.Swept != 0 || state.Up != 21 {
			t.Errorf("%+v, want swept just now and up for 21 s", state)
		}
		time.Sleep(21 * time.Second)
		want("21 s later", 503, "no sweep ended well")
	})
}

func TestHealth_FailsWithTheStore(t *testing.T) {
	w := newWorld(t)
	h := NewHealth(w.Service, time.Second, w.log)
	w.store.Close()
	if code, state := ask(t, h); code != 503 || !strings.Contains(state.Reason, "the store does not answer") {
		t.Errorf("%d %+v, want 503 and the reason", code, state)
	}
}

func TestLocal_RefusesWhatAProxyOnThisMachinePassesOn(t *testing.T) {
	h := Local(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for header, want := range map[string]int{
		"forwarded": 403, "x-forwarded-for": 403, "x-forwarded-host": 403, "x-forwarded-proto": 403, "via": 403, "accept": 200,
	} {
		for _, value := range []string{"for=192.0.2.1", ""} {
			r := httptest.NewRequest("GET", "/metrics", nil)
			r.RemoteAddr, r.Host = "127.0.0.1:5000", "localhost:7483"
			r.Header.Set(header, value)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("with %s: %q: %d, want %d", header, value, w.Code, want)
			}
		}
	}
}

func TestLocal_LetsOnlyThisMachineAsk(t *testing.T) {
	h := Local(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, tt := range []struct {
		from, host string
		want       int
	}{
		{"127.0.0.1:5000", "127.0.0.1:7483", 200},
		{"[::1]:5000", "localhost:7483", 200},
		{"[::1]:5000", "[::1]:7483", 200},
		{"[::ffff:127.0.0.1]:5000", "[::1]", 200},
		{"192.0.2.1:5000", "127.0.0.1:7483", 403},
		{"127.0.0.1:5000", "rebound.example.com:7483", 403},
		{"127.0.0.1:5000", "127.0.0.1.example.com", 403},
		{"127.0.0.1:5000", "", 403},
		{"@", "127.0.0.1", 403},
	} {
		r := httptest.NewRequest("GET", "/healthz", nil)
		r.RemoteAddr, r.Host = tt.from, tt.host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("from %s for %q: %d, want %d", tt.from, tt.host, w.Code, tt.want)
		}
	}
}

func TestHealth_IsWellAgainSoonAfterAFaultWasMended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &Health{faulty: 1, log: slog.New(slog.DiscardHandler), svc: newWorld(t).Service}
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { h.Keep(ctx, time.Hour, time.Minute) })
		synctest.Wait()
		if h.faulty != 0 {
			t.Fatal("a whole log counts as faulty")
		}
		h.mu.Lock()
		h.faulty = 1 // found at the hour, and mended since
		h.mu.Unlock()
		time.Sleep(time.Hour + time.Second)
		synctest.Wait()
		if h.faulty != 0 {
			t.Error("a fault that was mended is told on")
		}
		stop()
		wg.Wait()
	})
}
