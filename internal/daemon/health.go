package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"agentbridge/internal/bridge"
)

const (
	sweepsMissed = 4               // so many intervals without a good sweep are a fault
	healthTime   = 2 * time.Second // for a look at the store
	readyEvery   = time.Second
)

// Health tells whether a process is fit: its store answers, its [Watchdog] sweeps, and the audit logs are whole. A nil Health notes nothing.
type Health struct {
	// Also looks at something more, and gives what is wrong with it; nil: there is nothing more. Its text is shown to whoever asks.
	Also func() error

	svc   *bridge.Service
	every time.Duration
	log   *slog.Logger
	began time.Time

	mu       sync.Mutex // guards all below
	swept    time.Time  // when a sweep last ended well; zero: none did yet
	verified time.Time  // when the logs were last read; zero: not yet
	faulty   int        // logs that were not whole then
}

// NewHealth makes the health of a process whose watchdog sweeps at that interval. The first sweep has as much time as any.
func NewHealth(svc *bridge.Service, every time.Duration, log *slog.Logger) *Health {
	return &Health{svc: svc, every: every, log: log, began: time.Now()}
}

func (h *Health) sweptNow() {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.swept = time.Now()
}

// Verify reads every audit log of the store once, and so most of its pages, and notes whether each is the one that its head was made from.
// A million entries take some seconds. What cannot be read is a fault; that ctx ended is none.
func (h *Health) Verify(ctx context.Context) {
	reports, err := h.svc.AuditVerify(ctx, "")
	if ctx.Err() != nil {
		return
	}
	faulty := 0
	for _, r := range reports {
		if r.Fault != "" {
			h.log.Error("an audit log is not whole", "log", r.Log, "fault", r.Fault)
			faulty++
		}
	}
	if err != nil {
		h.log.Error("the audit logs cannot be read", "error", err)
		faulty++
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.verified, h.faulty = time.Now(), faulty
}

// Keep verifies at once and then every so often until ctx ends; while there is a fault, again so often, because a person may mend it.
func (h *Health) Keep(ctx context.Context, every, again time.Duration) {
	for ctx.Err() == nil {
		h.Verify(ctx)
		h.mu.Lock()
		pause := every
		if h.faulty > 0 {
			pause = again
		}
		h.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// healthState is what /healthz answers.
type healthState struct {
	Status   string   `json:"status"` // ok or failing
	Reason   string   `json:"reason,omitempty"`
	Up       float64  `json:"up_seconds"`
	Swept    *float64 `json:"swept_seconds_ago"`    // null: no sweep has ended well yet
	Verified *float64 `json:"verified_seconds_ago"` // when all audit logs were last read; null: not yet
}

// ServeHTTP answers 200 while all is well and 503 with the reason otherwise. It asks for no token and tells no names: see [Local].
func (h *Health) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	state, code := h.integrity(r.Context(), h.state(r.Context())), http.StatusOK
	if state.Status != "ok" {
		code = http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(state)
}

// Ready answers 200 while the process takes work and 503 otherwise, and when it is closing. It says nothing else, so anybody may ask.
// The store is looked at once a second at most.
func (h *Health) Ready(closing <-chan struct{}) http.Handler {
	var mu sync.Mutex
	var looked time.Time
	var fit bool
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		if time.Since(looked) > readyEvery {
			fit = h.state(context.WithoutCancel(r.Context())).Status == "ok"
			looked = time.Now()
		}
		ok := fit
		mu.Unlock()
		select {
		case <-closing:
			ok = false
		default:
		}
		w.Header().Set("Cache-Control", "no-store")
		if !ok {
			http.Error(w, "not ready", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
}

func (h *Health) state(ctx context.Context) healthState {
	now := time.Now()
	h.mu.Lock()
	last := h.swept
	h.mu.Unlock()
	state := healthState{Status: "ok", Up: now.Sub(h.began).Round(time.Millisecond).Seconds()}
	if !last.IsZero() {
		ago := now.Sub(last).Round(time.Millisecond).Seconds()
		state.Swept = &ago
	} else {
		last = h.began
	}
	ctx, cancel := context.WithTimeout(ctx, healthTime)
	defer cancel()
	// A look at next to nothing: what counts is that the store answers.
	if _, err := h.svc.AlertsSince(ctx, now); err != nil {
		h.log.Warn("health", "error", err)
		state.Status, state.Reason = "failing", "the store does not answer; the log of the process says why"
	} else if now.Sub(last) > sweepsMissed*h.every {
		state.Status, state.Reason = "failing", "no sweep ended well for too long; the log of the process says why"
	}
	return state
}

// integrity adds what keeps no call from being answered, but should not be.
func (h *Health) integrity(ctx context.Context, state healthState) healthState {
	h.mu.Lock()
	verified, faulty := h.verified, h.faulty
	h.mu.Unlock()
	if !verified.IsZero() {
		ago := time.Since(verified).Round(time.Millisecond).Seconds()
		state.Verified = &ago
	}
	if state.Status != "ok" {
		return state
	}
	ctx, cancel := context.WithTimeout(ctx, healthTime)
	defer cancel()
	fork, err := h.svc.Forked(ctx)
	switch {
	case err != nil:
		h.log.Warn("health", "error", err)
		state.Reason = "the store does not answer; the log of the process says why"
	case fork != nil:
		state.Reason = "the audit log is not the one that was seen before; agentbridge audit verify shows more"
	case faulty > 0:
		state.Reason = "an audit log is not whole; agentbridge audit verify shows which"
	case h.Also != nil:
		if err := h.Also(); err != nil {
			state.Reason = err.Error()
		}
	}
	if state.Reason != "" {
		state.Status = "failing"
	}
	return state
}

// Local lets only this machine ask: requests from a loopback address, for a loopback name, so that no page of a browser gets at it
// under a name of its own. What a proxy on this machine passes on comes from a loopback address too, and is refused by the headers
// that proxies add. /healthz and /metrics need no token because of it.
func Local(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil || !from.Addr().Unmap().IsLoopback() || !loopbackName(r.Host) || passedOn(r) {
			http.Error(w, "only this machine may ask", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// passedOn reports whether a proxy says that somebody else asks.
func passedOn(r *http.Request) bool {
	return slices.ContainsFunc([]string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Via"}, func(header string) bool {
		_, there := r.Header[header]
		return there
	})
}

// loopbackName reports whether a host, with or without a port, is a loopback address as it is written, or localhost.
func loopbackName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
