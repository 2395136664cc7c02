package bridge_test

import (
	"encoding/base64"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"agentbridge/internal/bridge"
)

const nonce = "a-nonce-of-22-characters"

var hubHere = bridge.HubAddress{URL: "https://hub.example:7483", Fingerprint: "sha256:" + strings.Repeat("0123456789abcdef", 4)}

func atHub(o *bridge.Options) { o.Address = func() bridge.HubAddress { return hubHere } }

// invited creates a conversation of alpha with beta, and gives beta's code.
func (w *world) invited(a bridge.Caller) (code string, id bridge.ConversationID) {
	w.t.Helper()
	made, err := w.Create(w.ctx, a, bridge.CreateRequest{Partners: []bridge.Partner{{Name: "beta", Role: "tests"}}})
	if err != nil {
		w.t.Fatal(err)
	}
	return made.Invites[0].Code, made.Conversation
}

func TestRedeem_SeatsWhoeverHasTheCodeAndGivesAToken(t *testing.T) {
	w := newWorld(t)
	a := w.agent("alpha")
	code, id := w.invited(a)
	w.say(a, "before you came")
	got, err := w.Redeem(w.ctx, bridge.Origin{Address: "192.0.2.1"}, bridge.RedeemRequest{Code: code, Nonce: nonce})
	if err != nil {
		t.Fatal(err)
	}
	if got.Agent != "beta" || got.Join.Conversation != id || got.Join.You.Name != "beta" || got.Join.You.Role != "tests" || got.Join.Unread != 1 || len(got.Join.Partners) != 1 {
		t.Errorf("Redeem = %+v", got)
	}
	c, err := w.Authenticate(w.ctx, got.Token, bridge.Origin{})
	if err != nil {
		t.Fatal(err)
	}
	if texts := w.check(c, bridge.CheckRequest{}).Messages; len(texts) != 1 {
		t.Errorf("it gets %d messages", len(texts))
	}
	if _, err := w.RenewToken(w.ctx, c); err != nil {
		t.Errorf("its token cannot be renewed: %v", err)
	}
}

func TestRedeem_TheSameNonceGivesTheSameAnswerAndAnotherNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		code, _ := w.invited(w.agent("alpha"))
		redeem := func(nonce string) (bridge.RedeemResult, error) {
			return w.Redeem(w.ctx, bridge.Origin{}, bridge.RedeemRequest{Code: code, Nonce: nonce})
		}
		first, err := redeem(nonce)
		if err != nil {
			t.Fatal(err)
		}
		entries := len(w.subjects("token_new"))
		for range 3 {
			again, err := redeem(nonce)
			if err != nil || again.Token != first.Token || again.Join.You != first.Join.You {
				t.Errorf("again: %+v, %v; want %+v", again, err, first)
			}
		}
		_, err = redeem("another-nonce-altogether")
		want(t, err, bridge.Conflict, "ask for a new invite")
		if n := len(w.subjects("token_new")); n != entries {
			t.Errorf("%d tokens were made for nothing", n-entries)
		}
		time.Sleep(11 * time.Minute) // somebody finds code and nonce in an old file
		_, err = redeem(nonce)
		want(t, err, bridge.Conflict, "ask for a new invite")
	})
}

func TestRedeem_OneOfManyAtOnceIsSeated(t *testing.T) {
	w := newWorld(t, func(o *bridge.Options) { o.Config = bridge.Defaults(); o.Config.Limits = bridge.NoLimits })
	code, id := w.invited(w.agent("alpha"))
	var wg sync.WaitGroup
	var mu sync.Mutex
	var tokens []string
	for i := range 20 {
		wg.Go(func() {
			got, err := w.Redeem(w.ctx, bridge.Origin{}, bridge.RedeemRequest{Code: code, Nonce: nonce + string(rune('a'+i))})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				tokens = append(tokens, got.Token)
			}
		})
	}
	wg.Wait()
	if len(tokens) != 1 {
		t.Fatalf("%d were seated", len(tokens))
	}
	valid := 0
	for _, state := range w.tokenStates() {
		if state == "valid" {
			valid++
		}
	}
	if valid != 2 { // alpha's and beta's
		t.Errorf("%d tokens are valid, want those of the two members of %s", valid, id)
	}
}

func TestRedeem_TwoTriesAtOnceWithOneNonceGiveOneTokenThatIsGood(t *testing.T) {
	w := newWorld(t)
	a := w.agent("alpha")
	for range 10 { // however they meet
		code, _ := w.invited(a)
		var wg sync.WaitGroup
		answers := make([]bridge.RedeemResult, 8)
		failures := make([]error, len(answers))
		for i := range answers { // a try whose answer was given up is still under way
			wg.Go(func() {
				answers[i], failures[i] = w.Redeem(w.ctx, bridge.Origin{}, bridge.RedeemRequest{Code: code, Nonce: nonce})
			})
		}
		wg.Wait()
		for i, err := range failures {
			if err != nil || answers[i].Token != answers[0].Token {
				t.Fatalf("try %d: %v; want the same token for all", i, err)
			}
		}
		if _, err := w.Authenticate(w.ctx, answers[0].Token, bridge.Origin{}); err != nil {
			t.Fatalf("the token is no good: %v", err)
		}
	}
}

func TestRedeem_RefusesCodesThatAreNotGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.agent("alpha")
		code, _ := w.invited(a)
		_, err := w.Redeem(w.ctx, bridge.Origin{}, bridge.RedeemRequest{Code: code, Nonce: "short"})
		want(t, err, bridge.Invalid, "random characters")
		for _, bad := range []string{"", "abi1_", "nonsense", code[:len(code)-3], code + "!", "abt1_" + code[5:]} {
			_, err := w.Redeem(w.ctx, bridge.Origin{}, bridge.RedeemRequest{Code: bad, Nonce: nonce})
			want(t, err, bridge.Denied, "pasted whole")
		}
		raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(code, "abi1_"))
		if err != nil {
			t.Fatal(err)
		}
		raw[len(raw)-1] ^= 1 // of its secret
		wrong := "abi1_" + base64.RawURLEncoding.EncodeToString(raw)
		for range 5 {
			_, err = w.Redeem(w.ctx, bridge.Origin{}, bridge.RedeemRequest{Code: wrong, Nonce: nonce})
			want(t, err, bridge.Denied, "pasted whole")
		}
		_, err = w.Redeem(w.ctx, bridge.Origin{}, bridge.RedeemRequest{Code: code, Nonce: nonce})
		want(t, err, bridge.Denied, "pasted whole") // its tries are spent
		late, _ := w.invited(a)
		time.Sleep(11 * time.Minute)
		_, err = w.Redeem(w.ctx, bridge.Origin{}, bridge.RedeemRequest{Code: late, Nonce: nonce})
		want(t, err, bridge.Expired, "new one")
		if n := len(w.tokenStates()); n != 1 {
			t.Errorf("%d tokens are there, want alpha's alone", n)
		}
	})
}

func TestRedeem_AnAddressThatTriesTooManyCodesIsTurnedAway(t *testing.T) {
	w := newWorld(t)
	code, _ := w.invited(w.agent("alpha"))
	for range 1000 {
		_, err := w.Redeem(w.ctx, bridge.Origin{Address: "192.0.2.1"}, bridge.RedeemRequest{Code: "abi1_" + strings.Repeat("A", 32), Nonce: nonce})
		if bridge.AsError(err).Code == bridge.RateLimited {
			if _, err := w.Redeem(w.ctx, bridge.Origin{Address: "192.0.2.2"}, bridge.RedeemRequest{Code: code, Nonce: nonce}); err != nil {
				t.Errorf("a good code from elsewhere: %v", err)
			}
			return
		}
	}
	t.Error("1,000 wrong codes were taken from one address")
}

func TestCode_SaysWhereItsHubIs(t *testing.T) {
	w := newWorld(t, atHub)
	code, _ := w.invited(w.agent("alpha"))
	if got, name, ok := bridge.CodeHub(code); !ok || got != hubHere || name != "beta" {
		t.Errorf("CodeHub = %+v, %q, %v", got, name, ok)
	}
	if got, name, ok := bridge.CodeHub("  " + code[:20] + "\n " + code[20:] + "\n"); !ok || got != hubHere || name != "beta" {
		t.Errorf("wrapped, CodeHub = %+v, %q, %v", got, name, ok)
	}
	for n := range len(code) { // pasted from a line that was cut off: it must not lead elsewhere
		if got, _, ok := bridge.CodeHub(code[:n]); ok {
			t.Errorf("its first %d characters say %+v", n, got)
		}
	}
	if clean := w.Redact("here is " + code); strings.Contains(clean, code[6:]) {
		t.Errorf("a code is shown: %s", clean)
	}
	if _, err := w.Join(w.ctx, w.agent("beta"), bridge.JoinRequest{Code: code}); err != nil {
		t.Errorf("on the hub's machine it seats nobody: %v", err)
	}
	bare := newWorld(t)
	code, _ = bare.invited(bare.agent("alpha"))
	if got, _, ok := bridge.CodeHub(code); ok {
		t.Errorf("a code without a hub says %+v", got)
	}
	for _, bad := range []string{"", "abi1_AAAA", code + "AQ", code + "AQAA"} {
		if got, _, ok := bridge.CodeHub(bad); ok {
			t.Errorf("%q says %+v", bad, got)
		}
	}
}
