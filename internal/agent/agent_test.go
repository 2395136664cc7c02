package agent

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/mcpserver"
	"agentbridge/internal/redact"
	"agentbridge/internal/sqlite"
)

// world is a bridge in memory with one agent whose process is served by Run.
type world struct {
	svc    *bridge.Service
	caller bridge.Caller
	client io.Closer // our end of the process's stdin
	done   chan error
}

// start runs an agent's process; local says whether it works on the store's own file.
func start(t *testing.T, ctx context.Context, local bool) *world {
	t.Helper()
	store, err := sqlite.Open(ctx, ":memory:", sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	scanner, err := redact.New(redact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	svc, err := bridge.New(ctx, store, bridge.Options{Keys: bridge.NewKeyRing(), Scanner: scanner})
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := svc.NewAgent(ctx, "alpha", true)
	if err != nil {
		t.Fatal(err)
	}
	caller, err := svc.Authenticate(ctx, token, bridge.Origin{Instance: "proc_1", Local: local})
	if err != nil {
		t.Fatal(err)
	}
	in, client := io.Pipe()
	w := &world{svc: svc, caller: caller, client: client, done: make(chan error, 1)}
	go func() {
		w.done <- Run(ctx, Options{
			Service: svc, Server: mcpserver.New(svc, mcpserver.Options{}), Caller: caller, In: in, Out: nopWriter{io.Discard},
		})
	}()
	return w
}

type nopWriter struct{ io.Writer }

func (nopWriter) Close() error { return nil }

// seen is how the agent looks from a conversation.
func (w *world) seen(t *testing.T) bridge.PartnerState {
	t.Helper()
	v, err := w.svc.Show(t.Context(), w.conversation(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range v.Roster {
		if m.Name == "alpha" {
			return m
		}
	}
	t.Fatal("alpha is no member")
	return bridge.PartnerState{}
}

// conversation is the one that alpha is in.
func (w *world) conversation(t *testing.T) bridge.ConversationID {
	t.Helper()
	list, err := w.svc.List(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) > 0 {
		return list[0].Conversation
	}
	res, err := w.svc.Create(t.Context(), w.caller, bridge.CreateRequest{Partners: []bridge.Partner{{Name: "beta"}}, TTLMinutes: 24 * 60})
	if err != nil {
		t.Fatal(err)
	}
	return res.Conversation
}

func TestRun_ShowsThatTheProcessIsThereUntilTheClientHangsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, t.Context(), true)
		w.conversation(t)
		time.Sleep(time.Hour)
		synctest.Wait()
		// Heartbeats, no model: idle, not silent.
		if got := w.seen(t); got.Liveness != bridge.Idle || *got.LastSeen > 15 {
			t.Errorf("after an hour connected: %s, seen %d s ago; want idle and at most 15", got.Liveness, *got.LastSeen)
		}
		w.client.Close()
		if err := <-w.done; err != nil {
			t.Errorf("Run after the client hung up = %v, want nil", err)
		}
		if got := w.seen(t); got.Liveness != bridge.Silent {
			t.Errorf("right after its end: %s, want silent", got.Liveness)
		}
	})
}

func TestRun_EndsAtOnceWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := start(t, ctx, true)
		w.conversation(t)
		time.Sleep(time.Minute)
		before := time.Now()
		cancel()
		if err := <-w.done; err != nil {
			t.Errorf("Run after cancel = %v, want nil", err)
		}
		if took := time.Since(before); took != 0 {
			t.Errorf("Run took %v to end, want none", took)
		}
		if got := w.seen(t); got.Liveness != bridge.Silent {
			t.Errorf("right after its end: %s, want silent: it said goodbye", got.Liveness)
		}
		w.client.Close()
	})
}

func TestRun_RenewsTheTokenAtTwoThirdsOfItsLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, t.Context(), false)
		expires := func() time.Time {
			tokens, err := w.svc.Tokens(t.Context())
			if err != nil || len(tokens) != 1 {
				t.Fatalf("tokens %v, %v", tokens, err)
			}
			return tokens[0].ExpiresAt
		}
		first, life := expires(), w.svc.Config().TokenTTL
		time.Sleep(life*2/3 - time.Minute)
		synctest.Wait()
		if got := expires(); !got.Equal(first) {
			t.Errorf("before two thirds of its life it was renewed to %v", got)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := expires(); got.Sub(first) < life/2 {
			t.Errorf("after two thirds of its life it expires at %v, want about %v later than %v", got, life*2/3, first)
		}
		time.Sleep(10 * life)
		synctest.Wait()
		if _, err := w.svc.Unread(t.Context(), w.caller); err != nil {
			t.Errorf("after ten lives: %v, want a valid token", err)
		}
		w.client.Close()
		<-w.done
	})
}

// A laptop that slept: time passed, and nothing ran.
func TestRenewal_ExtendsTheTokenOfALocalAgentThatSleptThroughItsEnd(t *testing.T) {
	for _, local := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := start(t, t.Context(), local)
			w.client.Close()
			<-w.done
			time.Sleep(2 * w.svc.Config().TokenTTL)
			if _, err := w.svc.Unread(t.Context(), w.caller); !errors.Is(err, bridge.Expired) {
				t.Fatalf("after two lives: %v, want expired", err)
			}
			r := renewal{Service: w.svc, Caller: w.caller}
			err := r.look(t.Context())
			_, use := w.svc.Unread(t.Context(), w.caller)
			if local && (err != nil || use != nil) {
				t.Errorf("local: look = %v, then %v; want the token good again", err, use)
			}
			if !local && (!errors.Is(err, bridge.Expired) || !errors.Is(use, bridge.Expired)) {
				t.Errorf("remote: look = %v, then %v; want expired", err, use)
			}
		})
	}
}

func TestRenewal_DoesNotReviveARevokedToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, t.Context(), true)
		if err := w.svc.RevokeToken(t.Context(), w.caller.Token()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * w.svc.Config().TokenTTL)
		synctest.Wait()
		if _, err := w.svc.Unread(t.Context(), w.caller); !errors.Is(err, bridge.Denied) {
			t.Errorf("after its process ran on: %v, want denied", err)
		}
		w.client.Close()
		<-w.done
	})
}
