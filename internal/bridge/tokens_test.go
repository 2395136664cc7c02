package bridge_test

import (
	"strings"
	"testing"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/redact"
	"agentbridge/internal/sqlite"
)

const tokenAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func TestAuthenticate_NoMutationOfATokenIsAccepted(t *testing.T) {
	w := newWorld(t)
	token, _, err := w.NewAgent(w.ctx, "alpha", true)
	if err != nil {
		t.Fatal(err)
	}
	for i := range token {
		for _, c := range tokenAlphabet {
			if byte(c) == token[i] {
				continue
			}
			mutated := token[:i] + string(c) + token[i+1:]
			if _, err := w.Authenticate(w.ctx, mutated, bridge.Origin{}); err == nil {
				t.Fatalf("a token with character %d changed is accepted", i)
			}
		}
	}
	for _, bad := range []string{"", "abt1_", token[:len(token)-1], token + "A", token + "=", strings.ToUpper(token), token + "\n" + token} {
		_, err := w.Authenticate(w.ctx, bad, bridge.Origin{})
		want(t, err, bridge.Denied, "token list")
	}
}

func TestAuthenticate_FailuresReadAlike(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	token, _, _ := w.NewAgent(w.ctx, "alpha", true)
	foreign, _, _ := other.NewAgent(other.ctx, "alpha", true)
	c, err := w.Authenticate(w.ctx, token, bridge.Origin{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.RevokeToken(w.ctx, c.Token()); err != nil {
		t.Fatal(err)
	}
	_, garbage := w.Authenticate(w.ctx, "hello", bridge.Origin{})
	_, unknown := w.Authenticate(w.ctx, foreign, bridge.Origin{})
	_, revoked := w.Authenticate(w.ctx, token, bridge.Origin{})
	for _, err := range []error{unknown, revoked} {
		if *bridge.AsError(err) != *bridge.AsError(garbage) {
			t.Errorf("%v and %v tell failures apart", err, garbage)
		}
	}
}

func TestAuthenticate_AGenuineTokenPastItsTimeIsExpiredAndCanBeRenewed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.agent("alpha")
		time.Sleep(3*time.Hour - time.Second)
		if _, err := w.Unread(w.ctx, c); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		_, err := w.Unread(w.ctx, c)
		want(t, err, bridge.Expired, "token renew")
		if _, err := w.RenewToken(w.ctx, c); err == nil {
			t.Error("an expired token renewed itself")
		}
		expires, err := w.ExtendToken(w.ctx, c.Token())
		if err != nil || !expires.Equal(time.Now().UTC().Add(3*time.Hour)) {
			t.Fatalf("ExtendToken = %v, %v", expires, err)
		}
		if _, err := w.Unread(w.ctx, c); err != nil {
			t.Fatal(err)
		}
		if _, err := w.RenewToken(w.ctx, c); err != nil {
			t.Fatal(err)
		}
	})
}

func TestRevokeToken_ActsOnCallersThatAreIn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.agent("alpha"), w.agent("beta")
		w.talk(a, b)
		waiting := make(chan error)
		go func() {
			_, err := w.Check(w.ctx, b, bridge.CheckRequest{Wait: minute})
			waiting <- err
		}()
		time.Sleep(time.Second)
		if err := w.RevokeToken(w.ctx, b.Token()); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		want(t, <-waiting, bridge.Denied, "token")
		if waited := time.Since(start); waited > time.Second {
			t.Errorf("the wait of a revoked token went on for %s", waited)
		}
		_, err := w.Send(w.ctx, b, bridge.SendRequest{Message: "still here"})
		want(t, err, bridge.Denied, "token")
		_, err = w.ExtendToken(w.ctx, b.Token())
		want(t, err, bridge.Denied, "token new")
	})
}

func TestToken_ARowEditedByHandIsRefused(t *testing.T) {
	edits := map[string]func(*bridge.Token){
		"expiry":    func(t *bridge.Token) { t.ExpiresAt = t.ExpiresAt.Add(time.Hour) },
		"agent":     func(t *bridge.Token) { t.Agent = "agent_0000000000000000" },
		"tag":       func(t *bridge.Token) { t.Tag[0] ^= 1 },
		"key":       func(t *bridge.Token) { t.KeyID = "other1" },
		"unrevoked": func(t *bridge.Token) { t.RevokedAt = time.Time{} },
	}
	for name, edit := range edits {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.tampered = true
			c := w.agent("alpha")
			if name == "unrevoked" {
				if err := w.RevokeToken(w.ctx, c.Token()); err != nil {
					t.Fatal(err)
				}
			}
			err := w.store.Update(w.ctx, bridge.Deployment, func(tx bridge.Tx) error {
				row, err := tx.Token(c.Token())
				if err != nil {
					return err
				}
				edit(&row)
				return tx.PutToken(row)
			})
			if err != nil {
				t.Fatal(err)
			}
			_, err = w.Unread(w.ctx, c)
			want(t, err, bridge.Denied, "token")
		})
	}
}

func TestNew_RefusesAKeyRingThatIsNotTheStores(t *testing.T) {
	w := newWorld(t)
	w.agent("alpha")
	_, err := bridge.New(w.ctx, w.store, bridge.Options{Keys: bridge.NewKeyRing(), Scanner: scanner(t)})
	want(t, err, bridge.Invalid, "key file")
}

func TestKeyRing_SurvivesItsFile(t *testing.T) {
	ring := bridge.NewKeyRing()
	text, err := ring.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	again, err := bridge.ParseKeyRing(text)
	if err != nil {
		t.Fatal(err)
	}
	if second, _ := again.MarshalText(); string(second) != string(text) {
		t.Error("a key ring changes by being read")
	}
	for _, bad := range []string{"", "abc", "abc !!!", string(text) + string(text), strings.TrimSpace(string(text))[:20]} {
		if _, err := bridge.ParseKeyRing([]byte(bad)); err == nil {
			t.Errorf("a key file of %d bytes that is none is read", len(bad))
		} else if strings.Contains(err.Error(), strings.Fields(string(text))[1]) {
			t.Error("the error shows the key")
		}
	}
}

func TestNewAgent_OfThisMachineIsKnownByItsName(t *testing.T) {
	w := newWorld(t)
	_, first, err := w.NewAgent(w.ctx, "alpha", true)
	if err != nil {
		t.Fatal(err)
	}
	_, again, _ := w.NewAgent(w.ctx, "alpha", true)
	_, remote, _ := w.NewAgent(w.ctx, "alpha", false)
	if again.ID != first.ID {
		t.Error("a second token for a local name made a second agent")
	}
	if remote.ID == first.ID {
		t.Error("a remote agent became the local one by bearing its name")
	}
	for _, bad := range []string{"", "person", "bridge", "a b", "ä", strings.Repeat("a", 65)} {
		_, _, err := w.NewAgent(w.ctx, bad, true)
		want(t, err, bridge.Invalid, "")
	}
}

func FuzzAuthenticate(f *testing.F) {
	store, err := sqlite.Open(f.Context(), ":memory:", sqlite.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { store.Close() })
	masks, err := redact.New(redact.Options{})
	if err != nil {
		f.Fatal(err)
	}
	svc, err := bridge.New(f.Context(), store, bridge.Options{Keys: bridge.NewKeyRing(), Scanner: masks})
	if err != nil {
		f.Fatal(err)
	}
	token, _, err := svc.NewAgent(f.Context(), "alpha", true)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Add("abt1_aaaaaa_")
	f.Add("abt1__" + strings.Repeat("A", 64))
	f.Fuzz(func(t *testing.T, text string) {
		_, err := svc.Authenticate(t.Context(), text, bridge.Origin{})
		if good := strings.TrimSpace(text) == token; (err == nil) != good {
			t.Errorf("Authenticate = %v", err)
		}
	})
}
