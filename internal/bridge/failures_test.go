package bridge_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

// knock comes with a token that is not good, from there.
func (w *world) knock(address string) error {
	return w.FailedAuthentication(w.ctx, bridge.Origin{Address: address})
}

// from makes a remote agent that comes from there.
func (w *world) from(name, address string) bridge.Caller {
	w.t.Helper()
	token, _, err := w.NewAgent(w.ctx, name, false)
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := w.Authenticate(w.ctx, token, bridge.Origin{Address: address})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// charges counts the charges that an account has rows for.
func (w *world) charges(kind bridge.ChargeKind, holder string) (rows int) {
	w.t.Helper()
	err := w.store.View(w.ctx, func(tx bridge.Tx) error {
		rows = 0
		for back := 1; ; back++ {
			_, at, err := tx.Charges(bridge.Account{Holder: holder, Kind: kind}, back)
			if err != nil || at[0].IsZero() {
				return err
			}
			rows++
		}
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return rows
}

func TestFailedAuthentication_AnAddressHasSoManyTriesAndThenWaits(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		for range 20 {
			if err := w.knock("192.0.2.1"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		for left := 40; left > 0; left-- {
			err := w.knock("192.0.2.1")
			want(t, err, bridge.RateLimited, "which token")
			if after := bridge.AsError(err).RetryAfter; after != left {
				t.Fatalf("retry after %d s, want %d", after, left)
			}
			if err := w.knock(fmt.Sprint("198.51.100.", left)); err != nil {
				t.Fatalf("from another address: %v", err)
			}
			time.Sleep(time.Second)
		}
		if err := w.knock("192.0.2.1"); err != nil {
			t.Errorf("a minute after the first: %v", err)
		}
		want(t, w.knock("192.0.2.1"), bridge.RateLimited, "")
	})
}

func TestFailedAuthentication_AddressesAreCountedAsWhoHasThem(t *testing.T) {
	for _, tt := range []struct {
		name, a, b string
		one        bool // budget for both
	}{
		{"IPv4 within IPv6", "192.0.2.1", "::ffff:192.0.2.1", true},
		{"IPv4 in hex within IPv6", "192.0.2.1", "::ffff:c000:201", true},
		{"neighbours", "192.0.2.1", "192.0.2.2", false},
		{"one network of IPv6", "2001:db8::1", "2001:db8::ffff:1:2:3", true},
		{"two networks of IPv6", "2001:db8::1", "2001:db8:0:1::1", false},
		{"zones", "fe80::1%eth0", "fe80::2%eth1", true},
		{"IPv4 with a zone within IPv6", "192.0.2.1", "::ffff:192.0.2.1%eth0", true},
		{"loopback", "127.0.0.1", "127.0.0.1", true},
		{"both loopbacks", "127.0.0.1", "::1", false},
		{"no addresses", "pipe", "@", true},
		{"a forged header's worth", "192.0.2.1, 192.0.2.2", strings.Repeat("9", 10_000), true},
	} {
		w := newWorld(t)
		for range 20 {
			if err := w.knock(tt.a); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.knock(tt.b); errors.Is(err, bridge.RateLimited) != tt.one {
			t.Errorf("%s: after 20 from %.30s, one from %.30s: %v; one budget: %t", tt.name, tt.a, tt.b, err, tt.one)
		}
	}
}

func TestFailedAuthentication_AFloodWritesABoundedNumberOfRows(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		flood := func(each int, address func(i int) string) (passed int) {
			var mu sync.Mutex
			var wg sync.WaitGroup
			for from := range 10 {
				wg.Go(func() {
					for i := range each {
						if w.knock(address(from*each+i)) == nil {
							mu.Lock()
							passed++
							mu.Unlock()
						}
					}
				})
			}
			wg.Wait()
			return passed
		}
		one := flood(1000, func(int) string { return "192.0.2.1" })
		rows := w.charges(bridge.Failure, "addr:192.0.2.1") + w.charges(bridge.Failure, "everybody")
		if one != 20 || rows != 40 {
			t.Errorf("10000 tokens from one address: %d answered, %d rows; want 20 and 40", one, rows)
		}
		time.Sleep(2 * minute)
		many := 0
		for n := range 12 { // more than an hour's budget, within a part of one
			many += flood(100, func(i int) string { return fmt.Sprintf("2001:db8:%x:%x::1", n, i) })
			time.Sleep(minute)
		}
		if many != 3000-20 {
			t.Errorf("%d of 12,000 tokens from as many networks were answered, want 2980: with the first 20 the hour's budget", many)
		}
		if rows := w.charges(bridge.Failure, "everybody"); rows != 3000 {
			t.Errorf("from everywhere: %d rows, want 3000", rows)
		}
		w.sweep()
		if rows := w.charges(bridge.Failure, "everybody"); rows == 0 {
			t.Error("a sweep forgot what still counts")
		}
		time.Sleep(25 * time.Hour)
		w.sweep()
		if rows := w.charges(bridge.Failure, "everybody") + w.charges(bridge.Failure, "addr:192.0.2.1"); rows != 0 {
			t.Errorf("a day later %d rows are left", rows)
		}
		if err := w.knock("192.0.2.1"); err != nil {
			t.Error(err)
		}
	})
}

func TestFailedAuthentication_TheLogHasALineAMinuteAndTheAuditLogToo(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var log bytes.Buffer
		w := newWorld(t, func(o *bridge.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
		w.sweep()
		log.Reset()
		for range 180 {
			w.knock("192.0.2.1")
			w.knock("192.0.2.1")
			w.sweep()
			time.Sleep(time.Second)
		}
		if n := strings.Count(log.String(), "address=192.0.2.1"); n != 3 || !strings.Contains(log.String(), "times=120") {
			t.Errorf("%d lines in three minutes, want 3, the later ones with the count:\n%s", n, log.String())
		}
		time.Sleep(minute)
		w.sweep()
		entries, err := w.AuditEntries(w.ctx, bridge.AuditFilter{Actions: []string{"refuse"}})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(entries); n < 2 || n > 10 {
			t.Errorf("%d entries in four minutes; want one a minute for each code", n)
		}
	})
}

func TestJoin_WrongCodesHinderNoRightOne(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		lead := w.agent("lead")
		bad, near, far := w.from("bad", "192.0.2.1"), w.from("near", "192.0.2.1"), w.from("far", "192.0.2.2")
		made, err := w.Create(w.ctx, lead, bridge.CreateRequest{Partners: partners("near", "far")})
		if err != nil {
			t.Fatal(err)
		}
		guess := func(c bridge.Caller) error {
			_, err := w.Join(w.ctx, c, bridge.JoinRequest{Code: "abi1_" + strings.Repeat("A", 32)})
			return err
		}
		for range 20 {
			want(t, guess(bad), bridge.Denied, "invite you again")
		}
		err = guess(bad)
		want(t, err, bridge.RateLimited, "which token or code")
		if after := bridge.AsError(err).RetryAfter; after != 60 {
			t.Errorf("retry after %d s, want 60", after)
		}
		want(t, guess(near), bridge.RateLimited, "")          // its address is over, and this is a guess
		want(t, w.knock("192.0.2.1"), bridge.RateLimited, "") // tokens and codes have one budget
		want(t, guess(far), bridge.Denied, "")                // another agent elsewhere
		for i, c := range []bridge.Caller{near, far} {
			if _, err := w.Join(w.ctx, c, bridge.JoinRequest{Code: made.Invites[i].Code}); err != nil {
				t.Errorf("%s joins with its code: %v", c.Name(), err)
			}
		}
	})
}

func TestFailedAuthentication_OffIsOffAndLocalProcessesHaveNoAddress(t *testing.T) {
	off, on := newWorld(t, noLimits), newWorld(t)
	for range 100 {
		if err := errors.Join(off.knock("192.0.2.1"), on.knock("")); err != nil {
			t.Fatal(err)
		}
	}
	if got := off.Refusals()[bridge.Denied]; got != 100 {
		t.Errorf("%d refusals are counted, want 100", got)
	}
}

// An agent that is refused again and again makes the log grow by the minute, not by the sweep.
func TestRefusals_OfAnAgentAreWrittenByTheMinute(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.agent("alpha")
		w.talk(a, w.agent("beta"))
		const refusals = 60
		for range refusals {
			if _, err := w.Send(w.ctx, a, bridge.SendRequest{Message: "x", To: []string{"nobody"}}); !errors.Is(err, bridge.NotFound) {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Second)
			w.sweep()
		}
		time.Sleep(time.Minute)
		w.sweep()
		entries, err := w.AuditEntries(w.ctx, bridge.AuditFilter{Actions: []string{"refuse"}})
		if err != nil {
			t.Fatal(err)
		}
		counted := 0
		for _, e := range entries {
			n, _ := strconv.Atoi(e.Facts["count"])
			counted += n
		}
		if counted != refusals || len(entries) > 7 {
			t.Errorf("%d refusals in five minutes were counted %d times, in %d entries; want all of them, in 7 at most", refusals, counted, len(entries))
		}
	})
}
