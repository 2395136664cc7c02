package bridge_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"agentbridge/internal/bridge"
)

// ringFile stands in for the key file of processes that share one.
type ringFile struct {
	mu   sync.Mutex // guards text and new
	text []byte
	new  map[*bridge.Options]bool
}

func (f *ringFile) save(ring *bridge.KeyRing) error {
	text, err := ring.MarshalText()
	f.put(text)
	return err
}

func (f *ringFile) put(text []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.text = text
	for o := range f.new {
		f.new[o] = true
	}
}

// option lets a world use the file.
func (f *ringFile) option(o *bridge.Options) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.text == nil {
		f.text, _ = o.Keys.MarshalText()
		f.new = map[*bridge.Options]bool{}
	}
	o.Keys, _ = bridge.ParseKeyRing(f.text)
	own := &bridge.Options{}
	f.new[own] = false
	o.Reload = func() (*bridge.KeyRing, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if !f.new[own] {
			return nil, nil
		}
		f.new[own] = false
		return bridge.ParseKeyRing(f.text)
	}
}

func (w *world) rotate(f *ringFile, after time.Duration) bridge.KeyRotation {
	w.t.Helper()
	done, err := w.RotateKeys(w.ctx, after, f.save)
	if err != nil {
		w.t.Fatal(err)
	}
	return done
}

// subjects are the subjects of the entries of some action in the deployment's log.
func (w *world) subjects(action string) (list []string) {
	w.t.Helper()
	lines, err := w.AuditEntries(w.ctx, bridge.AuditFilter{Actions: []string{action}})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, l := range lines {
		list = append(list, l.Subject)
	}
	return list
}

func TestRotateKeys_WhatTheOldKeySignedIsGoodUntilItsEnd(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := &ringFile{}
		w := newWorld(t, f.option)
		a, b := w.agent("alpha"), w.agent("beta")
		made, err := w.Create(w.ctx, a, bridge.CreateRequest{Partners: []bridge.Partner{{Name: "beta"}, {Name: "gamma"}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Join(w.ctx, b, bridge.JoinRequest{Code: made.Invites[0].Code}); err != nil {
			t.Fatal(err)
		}
		w.say(a, "before")
		batch := w.check(b, bridge.CheckRequest{})

		w.rotate(f, 10*time.Minute)
		w.check(b, bridge.CheckRequest{Ack: batch.Receipt})
		c := w.agent("gamma")
		time.Sleep(5 * time.Minute)
		if _, err := w.Join(w.ctx, c, bridge.JoinRequest{Code: made.Invites[1].Code}); err != nil {
			t.Errorf("an invite of the older key: %v", err)
		}
		w.say(a, "between")
		expires, err := w.RenewToken(w.ctx, a)
		if left := time.Until(expires); err != nil || left <= 0 || left > 5*time.Minute {
			t.Errorf("RenewToken = %s from now, %v; want no longer than the key", left, err)
		}
		entries := len(w.subjects("token_renew"))
		for range 3 {
			if _, err := w.RenewToken(w.ctx, a); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(w.subjects("token_renew")); n > entries+1 {
			t.Errorf("renewing what cannot be renewed made %d entries", n-entries)
		}
		if err := w.Adopt(w.ctx, b, w.further("beta")); err != nil { // as a local agent's process does
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		_, err = w.Send(w.ctx, a, bridge.SendRequest{Message: "after"})
		want(t, err, bridge.Expired, "token")
		_, err = w.ExtendToken(w.ctx, a.Token())
		want(t, err, bridge.Denied, "token new")
		w.say(b, "a process that adopted a new token goes on")
		w.say(c, "what the new key signed is good")

		old := w.tokenStates()
		again := w.rotate(f, time.Hour)
		if len(again.Retired) != 1 || len(w.subjects("key_retire")) != 1 || len(w.subjects("key_rotate")) != 2 {
			t.Errorf("the second rotation retired %v", again.Retired)
		}
		if was, is := old[a.Token()], w.tokenStates()[a.Token()]; was != "expired" || is != "retired" {
			t.Errorf("a token of the older key was %s, and is %s once the key is forgotten", was, is)
		}
		_, err = w.ExtendToken(w.ctx, a.Token())
		want(t, err, bridge.Denied, "token new")
		w.say(c, "still")
	})
}

// further makes a further token of a local agent.
func (w *world) further(name string) string {
	w.t.Helper()
	token, _, err := w.NewAgent(w.ctx, name, true)
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

// tokens lists all tokens; tokenStates gives the state of each.
func (w *world) tokens() []bridge.TokenState {
	w.t.Helper()
	list, err := w.Tokens(w.ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

func (w *world) tokenStates() map[bridge.TokenID]string {
	states := map[bridge.TokenID]string{}
	for _, s := range w.tokens() {
		states[s.ID] = s.State
	}
	return states
}

func TestRotateKeys_NowEndsAllAtOnceInEveryProcess(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := &ringFile{}
		w := newWorld(t, f.option)
		other := worldOn(t, w.store, f.option) // another process on the same store
		a, b := w.agent("alpha"), w.agent("beta")
		w.talk(a, b)
		code, err := w.Create(w.ctx, a, bridge.CreateRequest{Partners: []bridge.Partner{{Name: "gamma"}}})
		if err != nil {
			t.Fatal(err)
		}
		token := w.further("beta")
		there, err := other.Authenticate(w.ctx, token, bridge.Origin{Instance: "proc_there", Local: true})
		if err != nil {
			t.Fatal(err)
		}
		waiting := make(chan error)
		go func() {
			_, err := other.Check(w.ctx, there, bridge.CheckRequest{Wait: minute})
			waiting <- err
		}()
		time.Sleep(time.Second)
		done := w.rotate(f, 0)
		start := time.Now()
		want(t, <-waiting, bridge.Denied, "token")
		if waited := time.Since(start); waited > time.Second {
			t.Errorf("the wait in another process went on for %s", waited)
		}
		if done.Revoked != 3 {
			t.Errorf("%d tokens ended, want 3", done.Revoked)
		}
		_, err = other.Authenticate(w.ctx, token, bridge.Origin{})
		want(t, err, bridge.Denied, "token")
		g, err := other.Authenticate(w.ctx, w.further("gamma"), bridge.Origin{}) // the new key is found by its id
		if err != nil {
			t.Fatal(err)
		}
		_, err = other.Join(w.ctx, g, bridge.JoinRequest{Code: code.Invites[0].Code})
		want(t, err, bridge.Denied, "invite you again")
	})
}

func TestRotateKeys_IsCompletedByWhoeverFindsTheNewRing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := &ringFile{}
		w := newWorld(t, f.option)
		a := w.agent("alpha")
		died := errors.New("the process died here")
		_, err := w.RotateKeys(w.ctx, time.Hour, func(ring *bridge.KeyRing) error { return errors.Join(f.save(ring), died) })
		if !errors.Is(err, died) {
			t.Fatal(err)
		}
		if n := len(w.subjects("key_rotate")); n != 0 {
			t.Fatalf("%d entries of a rotation that did not happen", n)
		}
		next := worldOn(t, w.store, f.option)
		if n := len(next.subjects("key_rotate")); n != 1 {
			t.Errorf("%d entries of the rotation that was found, want 1", n)
		}
		w.sweep() // this process finds it, too
		if _, err := w.Unread(w.ctx, a); err != nil {
			t.Error(err)
		}
		if keys, err := w.Keys(w.ctx); err != nil || len(keys) != 2 || keys[0].State != "signs" || keys[1].State != "verifies" || keys[1].Tokens != 1 {
			t.Errorf("Keys = %+v, %v", keys, err)
		}
		if n := len(w.subjects("key_rotate")); n != 1 {
			t.Errorf("%d entries of one rotation", n)
		}
	})
}

func TestKeyRing_OneThatIsNotTheStoresIsRefusedAndNotTakenIntoUse(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := &ringFile{}
		w := newWorld(t, f.option)
		a := w.agent("alpha")
		before := f.text
		w.rotate(f, time.Hour)
		b, good := w.agent("beta"), f.text

		old, err := bridge.ParseKeyRing(before)
		if err != nil {
			t.Fatal(err)
		}
		_, err = bridge.New(w.ctx, w.store, bridge.Options{Keys: old, Scanner: scanner(t)})
		want(t, err, bridge.Invalid, "key rotate")
		if !strings.Contains(err.Error(), "older than the store") {
			t.Errorf("an older key file: %v", err)
		}
		foreign, _ := bridge.NewKeyRing().MarshalText()
		same := []byte(strings.Fields(string(good))[0] + " " + strings.Fields(string(foreign))[1])
		for name, text := range map[string][]byte{"older": before, "foreign": foreign, "broken": good[:len(good)/2], "empty": nil, "other key of that id": same} {
			f.put(text)
			w.sweep()
			for _, c := range []bridge.Caller{a, b} {
				if _, err := w.Unread(w.ctx, c); err != nil {
					t.Errorf("after the %s key file: %v; want the ring in use to stay", name, err)
				}
			}
		}
		f.put(good)
		w.sweep()
		w.rotate(f, time.Hour)
		if _, err := w.Unread(w.ctx, b); err != nil {
			t.Error(err)
		}
	})
}

func TestRotateKeys_RefusesTimesThatMakeNoSense(t *testing.T) {
	w := newWorld(t)
	for _, after := range []time.Duration{-time.Hour, time.Second, 1000 * 24 * time.Hour, 1<<63 - 1} {
		_, err := w.RotateKeys(w.ctx, after, func(*bridge.KeyRing) error { t.Error("saved"); return nil })
		want(t, err, bridge.Invalid, "--now")
	}
}

// A row as it was sealed before tokens had children, by that program.
func TestToken_RowsSealedBeforeTokensHadChildrenStayGood(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		ring, err := bridge.ParseKeyRing([]byte("aaa111 " + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))))
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, func(o *bridge.Options) { o.Keys = ring })
		w.tampered = true
		id, secret := strings.Repeat("i", 16), strings.Repeat("s", 32)
		tag, _ := hex.DecodeString("f72f2c627d2d7fa6ed6daf09975fe360bfa48105e259579b0372c2252b989ea0")
		seal, _ := hex.DecodeString("dd2d6622fd66121ea00671f29cb46080a642d68697f63747ae4d866f3e6f8235")
		at := time.Date(2026, 11, 1, 12, 0, 0, 123456000, time.UTC)
		row := bridge.Token{
			ID: bridge.TokenID(hex.EncodeToString([]byte(id))), Agent: "agent_0123456789abcdef", KeyID: "aaa111", Tag: tag, Seal: seal,
			CreatedAt: at, ExpiresAt: at.Add(87600 * time.Hour),
		}
		err = w.store.Update(w.ctx, bridge.Deployment, func(tx bridge.Tx) error {
			return errors.Join(tx.PutAgent(bridge.Agent{ID: row.Agent, Name: "alpha", CreatedAt: at}), tx.PutToken(row))
		})
		if err != nil {
			t.Fatal(err)
		}
		token := "abt1_aaa111_" + base64.RawURLEncoding.EncodeToString([]byte(id+secret))
		if c, err := w.Authenticate(w.ctx, token, bridge.Origin{}); err != nil || c.Name() != "alpha" {
			t.Errorf("Authenticate = %v, %v", c.Name(), err)
		}
	})
}

func TestKeyRing_AStoreWhoseListOfKeysWasEmptiedIsRefused(t *testing.T) {
	w := newWorld(t)
	w.agent("alpha")
	w.tampered = true
	err := w.store.Update(w.ctx, bridge.Deployment, func(tx bridge.Tx) error { return tx.PutMeta("keys", []byte(" ")) })
	if err != nil {
		t.Fatal(err)
	}
	_, err = bridge.New(w.ctx, w.store, bridge.Options{Keys: bridge.NewKeyRing(), Scanner: scanner(t)})
	want(t, err, bridge.Invalid, "key file")
}

func TestSucceedToken_OnlyForATokenThatEndsWithItsKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &ringFile{}
		w := newWorld(t, f.option)
		a := w.agent("alpha")
		told := func() (k bridge.KeepAlive) {
			t.Helper()
			k, err := w.Waiting(w.ctx, a)
			if err != nil {
				t.Fatal(err)
			}
			return k
		}
		_, err := w.SucceedToken(w.ctx, a)
		want(t, err, bridge.Conflict, "go on with it")
		w.rotate(f, 4*time.Hour)
		time.Sleep(150 * time.Minute) // at two thirds of its life, and it still goes on
		if told().TokenEnds {
			t.Error("a token that can be renewed is told to end")
		}
		time.Sleep(time.Hour)
		if !told().TokenEnds {
			t.Error("a token that ends with its key is not told to end")
		}
		child := w.child(a, bridge.ChildRequest{})
		_, err = w.SucceedToken(w.ctx, child)
		want(t, err, bridge.Denied, "ask whoever made it")
		token, err := w.SucceedToken(w.ctx, a)
		if err != nil {
			t.Fatal(err)
		}
		c, err := w.Authenticate(w.ctx, token, bridge.Origin{})
		if err != nil || c.Agent() != a.Agent() {
			t.Fatalf("the successor is %v's: %v", c.Agent(), err)
		}
		time.Sleep(time.Hour)
		if a = c; told().TokenEnds {
			t.Error("the successor ends, too")
		}
	})
}
