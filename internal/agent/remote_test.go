package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"agentbridge/internal/bridge"
	"agentbridge/internal/mcpserver"
)

const checkNow, checkLong = `{}`, `{"wait_seconds":240}`

func TestRemote_ABatchIsAckedByTheClientsComingBackAndNotByItsProcess(t *testing.T) {
	afar(t, func(t *testing.T, w *town) {
		beta := w.console(true)
		w.tellBeta("one")
		expect(t, "got", beta.call("check_messages", checkNow).texts(), "one")
		synctest.Wait()
		expect(t, "before it comes back", w.states(), "delivered")
		beta.call("check_messages", checkNow)
		expect(t, "after", w.states(), "acked implied")

		w.tellBeta("two")
		thrown := beta.begin("check_messages", checkNow)
		expect(t, "got", beta.answer().texts(), "two")
		beta.cancel(thrown)
		again := beta.call("check_messages", checkNow)
		expect(t, "of an answer that was thrown away", again.texts(), "two")
		if !again.Result.Structured.Messages[0].Redelivered {
			t.Error("it is not marked")
		}
		beta.call("check_messages", `{"ack":"`+again.Result.Structured.Receipt+`"}`)
		expect(t, "after", w.states(), "acked implied", "acked explicit")

		w.tellBeta("three")
		beta.begin("check_messages", checkNow)
		synctest.Wait() // the process has it, and nobody reads
		expect(t, "while nobody reads", w.states(), "acked implied", "acked explicit", "delivered")
	})
}

func TestRemote_OverlappingCallsAckNothingOfEachOther(t *testing.T) {
	afar(t, func(t *testing.T, w *town) {
		beta := w.console(true)
		beta.begin("check_messages", checkLong)
		beta.begin("check_messages", checkLong)
		synctest.Wait()
		w.tellBeta("one")
		expect(t, "the first", beta.answer().texts(), "one")
		time.Sleep(time.Second)
		w.tellBeta("two")
		expect(t, "the second", beta.answer().texts(), "two")
		expect(t, "both are waited for", w.states(), "delivered", "delivered")
		beta.call("check_messages", checkNow)
		expect(t, "after", w.states(), "acked implied", "acked implied")
	})
}

func TestRemote_ACancelledWaitTakesNothing(t *testing.T) {
	afar(t, func(t *testing.T, w *town) {
		beta := w.console(true)
		id := beta.begin("check_messages", checkLong)
		synctest.Wait()
		beta.cancel(id)
		if r := beta.answer(); r.Error == nil {
			t.Errorf("the cancelled call was answered with %+v", r)
		}
		w.tellBeta("one")
		time.Sleep(time.Minute)
		expect(t, "state", w.states(), "stored")
		got := beta.call("check_messages", checkNow)
		if expect(t, "got", got.texts(), "one"); got.Result.Structured.Messages[0].Redelivered {
			t.Error("a message that nobody was given is called redelivered")
		}
	})
}

func TestRemote_TheEndOfTheProcessGivesBackWhatItHeld(t *testing.T) {
	for _, alone := range []bool{true, false} {
		afar(t, func(t *testing.T, w *town) {
			if err := w.svc.Heartbeat(w.ctx, w.beta, bridge.Pulse{End: true}); err != nil { // that it was on the hub's machine is over
				t.Fatal(err)
			}
			beta := w.console(alone)
			w.tellBeta("one")
			beta.call("check_messages", checkNow)
			if err := beta.hangUp(); err != nil {
				t.Errorf("the end: %v, want none", err)
			}
			expect(t, "after the end", w.states(), "stored")
			w.svc.Sweep(w.ctx)
			if got := w.seen().Liveness; (got == bridge.Silent) != alone {
				t.Errorf("alone %t: after the end beta is %s; an agent's last process says goodbye, and no other", alone, got)
			}
			again := w.console(alone)
			expect(t, "its successor", again.call("check_messages", checkNow).texts(), "one")
			if got := w.seen().Liveness; got != bridge.Alive {
				t.Errorf("and then it is %s", got)
			}
		})
	}
}

func TestRemote_AProcessThatBeginsAloneReclaimsWhatADeadOneHeld(t *testing.T) {
	for _, alone := range []bool{true, false} {
		afar(t, func(t *testing.T, w *town) {
			w.tellBeta("one")
			if res, err := w.far(w.token).Check(w.ctx, bridge.Caller{}, bridge.CheckRequest{}); err != nil || len(res.Messages) != 1 {
				t.Fatal(res, err)
			}
			beta := w.console(alone) // the other process was killed
			got := beta.call("check_messages", checkNow).texts()
			if alone {
				expect(t, "alone", got, "one")
			} else {
				expect(t, "not alone", got)
			}
			w.tellBeta("two")
			expect(t, "then", beta.call("check_messages", checkNow).texts(), "two")
		})
	}
}

func TestRemote_AWaitOutlastsAHubThatIsAway(t *testing.T) {
	afar(t, func(t *testing.T, w *town) {
		beta := w.console(true)
		beta.begin("check_messages", checkLong)
		for n := range 5 {
			time.Sleep(time.Duration(n+1) * 7 * time.Second)
			w.stop()
			if n == 4 {
				w.tellBeta("one")
			}
			time.Sleep(time.Duration(n+1) * 3 * time.Second)
			w.startAll()
		}
		back := time.Now()
		expect(t, "got", beta.answer().texts(), "one")
		if took := time.Since(back); took > 2*time.Second {
			t.Errorf("it took %v after the hub was back", took)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if said := strings.Join(beta.said, "\n"); !strings.HasPrefix(said, "hub away (") || !strings.Contains(said, "\nconnected to ") {
			t.Errorf("said %q", beta.said)
		}
	})
}

func TestRemote_AWaitWhoseTimeEndsWhileTheHubIsAwaySaysSo(t *testing.T) {
	afar(t, func(t *testing.T, w *town) {
		beta := w.console(true)
		start := time.Now()
		beta.begin("claim_task", `{"wait_seconds":60}`)
		time.Sleep(5 * time.Second)
		w.stop()
		r := beta.answer()
		if took := time.Since(start); r.Result.Structured.Code != "unavailable" || took < 58*time.Second || took > 62*time.Second {
			t.Errorf("after %v: %+v, want unavailable when its time is up", took, r.Result.Structured)
		}
	})
}

func TestRemote_ASendWhileTheHubIsAwayFailsClearlyAndStoresNothing(t *testing.T) {
	afar(t, func(t *testing.T, w *town) {
		beta := w.console(true)
		w.stop()
		synctest.Wait()
		start := time.Now()
		r := beta.call("send", `{"message":"lost"}`)
		if s := r.Result.Structured; !r.Result.IsError || s.Code != "unavailable" || !strings.Contains(s.Message, "connection refused") || !strings.Contains(s.Hint, "nothing was sent") {
			t.Errorf("%+v, want unavailable, why, and that nothing was sent", r.Result)
		}
		if took := time.Since(start); took > 11*time.Second {
			t.Errorf("it took %v, want 10 s at most", took)
		}
		w.startAll()
		time.Sleep(time.Minute)
		if r := beta.call("send", `{"message":"found"}`); r.Result.IsError {
			t.Errorf("once it is back: %+v", r.Result.Structured)
		}
		list, err := w.svc.Messages(w.ctx, w.id, 0, 0)
		if err != nil || len(list) != 1 || list[0].Text != "found" {
			t.Errorf("stored: %+v, %v; want the one that was not refused", list, err)
		}
	})
}

func TestRemote_ASendOfUnknownOutcomeNamesTheKeyToRepeatItWith(t *testing.T) {
	afar(t, func(t *testing.T, w *town) {
		beta := w.console(true)
		w.stop()
		w.silence(true)
		r := beta.call("send", `{"message":"once"}`)
		_, rest, _ := strings.Cut(r.Result.Structured.Hint, `with key "`)
		key, _, ok := strings.Cut(rest, `"`)
		if !ok || r.Result.Structured.Code != "unavailable" || !strings.Contains(r.Result.Structured.Hint, "nobody knows") {
			t.Fatalf("%+v, want unavailable and the key", r.Result.Structured)
		}
		if r := beta.call("send", `{"message":"own","key":"mine"}`); strings.Contains(r.Result.Structured.Hint, "mine") || !strings.Contains(r.Result.Structured.Hint, "the same key") {
			t.Errorf("with a key that was given: %q", r.Result.Structured.Hint)
		}
		w.silence(false)
		w.startAll()
		for range 2 {
			if r := beta.call("send", `{"message":"once","key":"`+key+`"}`); r.Result.IsError {
				t.Errorf("again: %+v", r.Result.Structured)
			}
		}
		if list, err := w.svc.Messages(w.ctx, w.id, 0, 0); err != nil || len(list) != 1 {
			t.Errorf("%d messages, %v", len(list), err)
		}
	})
}

func (w *town) silence(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.silent = on
}

func TestRemote_ARevokedTokenEndsTheSessionAtOnce(t *testing.T) {
	afar(t, func(t *testing.T, w *town) {
		beta := w.console(true)
		time.Sleep(time.Minute)
		start := time.Now()
		if err := w.svc.RevokeToken(w.ctx, w.beta.Token()); err != nil {
			t.Fatal(err)
		}
		err := <-beta.ended
		beta.ended <- err
		if e := bridge.AsError(err); !errors.Is(err, bridge.Denied) || e.Hint == "" || time.Since(start) > 3*time.Second {
			t.Errorf("after %v: %v, want denied with a hint, at once", time.Since(start), err)
		}
	})
}

func TestRemote_TheTokenIsRenewedForAsLongAsTheProcessRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTownFor(t, func(c *bridge.Config) { c.ConversationTTL = 24 * time.Hour })
		w.startAll()
		defer w.stop()
		defer sweeping(w.svc)()
		beta := w.console(true)
		time.Sleep(10 * time.Hour) // more than three lives
		if r := beta.call("check_messages", checkNow); r.Result.IsError {
			t.Errorf("after ten hours: %+v", r.Result.Structured)
		}
		if got := w.seen(); got.Liveness != bridge.Alive {
			t.Errorf("it is %s", got.Liveness)
		}
	})
}

func TestRemote_AHubThatComesBackAsAnOlderCopyIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		server := mcpserver.New(w.svc, mcpserver.Options{})
		mux := http.NewServeMux()
		mux.Handle(mcpserver.AgentsPath, server.Agents())
		var mu sync.Mutex
		entries := 12
		mux.HandleFunc("/keepalive", func(rw http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			rw.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprintf(rw, "data: {\"name\":\"beta\",\"log_entries\":%d}\n\n", entries)
			entries-- // each time it is older
		})
		w.serve(mux.ServeHTTP, server.Close)
		defer w.stop()
		beta := w.console(true)
		if r := beta.call("send", `{"message":"one"}`); r.Result.IsError {
			t.Fatalf("%+v", r.Result.Structured)
		}
		mu.Lock()
		entries = 5
		mu.Unlock()
		time.Sleep(2 * time.Second)
		mu.Lock()
		entries = 1000 // it grows from here
		mu.Unlock()
		r := beta.call("send", `{"message":"two"}`)
		if s := r.Result.Structured; s.Code != "conflict" || !strings.Contains(s.Message, "older copy") || s.Hint == "" {
			t.Errorf("%+v, want to be told", s)
		}
		if r := beta.call("send", `{"message":"two"}`); r.Result.IsError {
			t.Errorf("told again: %+v", r.Result.Structured)
		}
		if list, err := w.svc.Messages(w.ctx, w.id, 0, 0); err != nil || len(list) != 2 {
			t.Errorf("%d messages, %v, want what was refused not to be done", len(list), err)
		}
	})
}

// Where the client keeps MCP tasks, a wait is one, whose result is asked for.
func TestRemote_AWaitIsATaskWhereTheClientKeepsTasks(t *testing.T) {
	afar(t, func(t *testing.T, w *town) {
		beta := w.console(true)
		const meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}}}}`
		beta.line(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"check_messages","arguments":{"wait_seconds":240},` + meta + `}}`)
		task := beta.answer().Result.TaskID
		if task == "" {
			t.Fatal("it is no task")
		}
		poll := func() reply {
			beta.line(`{"jsonrpc":"2.0","id":2,"method":"tasks/get","params":{"taskId":"` + task + `",` + meta + `}}`)
			return beta.answer()
		}
		if got := poll(); got.Result.Status != "working" {
			t.Fatalf("%+v, want it to be working", got)
		}
		w.tellBeta("one")
		if got := poll(); got.Result.Status != "completed" || !strings.Contains(string(got.Result.Result), `\none\n`) {
			t.Fatalf("%+v, %s, want the message", got, got.Result.Result)
		}
		expect(t, "state", w.states(), "delivered")
	})
}

func TestRemote_FollowersOfAConversationHearOfIt(t *testing.T) {
	for _, door := range []string{"local", "remote"} {
		afar(t, func(t *testing.T, w *town) {
			changed := make(chan string, 100)
			w.handler = func(_ context.Context, r *mcp.ResourceUpdatedNotificationRequest) { changed <- r.Params.URI }
			session := w.enter(door, w.token, w.beta)
			uri := "agentbridge://conversation/" + string(w.id)
			if err := session.Subscribe(w.ctx, &mcp.SubscribeParams{URI: uri}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			for n := range 3 {
				w.tellBeta("x")
				time.Sleep(2 * time.Second)
				synctest.Wait()
				if len(changed) != 1 {
					t.Fatalf("%s, change %d: told %d times, want once", door, n, len(changed))
				}
				if got := <-changed; got != uri {
					t.Errorf("told of %s", got)
				}
			}
		})
	}
}

func TestRemote_WhatNoHubSaysIsRefused(t *testing.T) {
	for what, says := range map[string]string{
		"no answer":        `{}`,
		"half of one":      `{"result":{"seq":`,
		"another shape":    `{"result":{"seq":"one"}}`,
		"an unknown code":  `{"error":{"code":"fine","message":"x"}}`,
		"a colourful text": `{"error":{"code":"denied","message":"\u001b[31mred\u0007","hint":"\n\nmore"}}`,
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newTown(t)
			w.serve(answer(200, "application/json", says), func() {})
			defer w.stop()
			_, err := w.far(w.token).Send(w.ctx, bridge.Caller{}, bridge.SendRequest{Message: "x"})
			e := bridge.AsError(err)
			if err == nil || e.Hint == "" || e.Code == bridge.Internal || strings.ContainsAny(e.Text(), "\x1b\x07") || bridge.Codes[e.Code].Exit == 0 {
				t.Errorf("%s: %v, hint %q", what, err, e.Hint)
			}
		})
	}
}

// Whoever works from a shell is not missed between two commands, and a process that vanished is.
func TestRemote_TheEndOfAVerbAlarmsNobody(t *testing.T) {
	for _, passing := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := newTown(t)
			w.startAll()
			defer w.stop()
			stop := sweeping(w.svc)
			defer stop()
			if err := w.svc.Heartbeat(w.ctx, w.beta, bridge.Pulse{End: true}); err != nil { // that it was on the hub's machine is over
				t.Fatal(err)
			}
			time.Sleep(10 * time.Minute)
			if _, err := w.svc.Check(w.ctx, w.alpha, bridge.CheckRequest{}); err != nil {
				t.Fatal(err)
			}
			far := w.far(w.token)
			if _, err := far.Send(w.ctx, bridge.Caller{Passing: passing}, bridge.SendRequest{Message: "x"}); err != nil {
				t.Fatal(err)
			}
			far.client.CloseIdleConnections()
			if _, err := w.svc.Check(w.ctx, w.alpha, bridge.CheckRequest{}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3 * time.Minute)
			got, err := w.svc.Check(w.ctx, w.alpha, bridge.CheckRequest{})
			if err != nil {
				t.Fatal(err)
			}
			if missed := len(got.Messages) > 0; missed == passing {
				t.Errorf("passing %t: told %+v", passing, got.Messages)
			}
		})
	}
}
