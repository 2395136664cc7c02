package mcpserver

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const checkNow, checkLong = `{}`, `{"wait_seconds":240}`

// pair is alpha and beta in one conversation; beta has a client on stdio.
func pair(t *testing.T) (w *world, say func(string), states func() []string, beta *wire) {
	w = newWorld(t, Options{})
	_, a := w.agent(t, "alpha")
	_, b := w.agent(t, "beta")
	w.meet(t, a, b)
	return w, func(text string) { w.say(t, a, text) }, func() []string { return w.states(t, a) }, w.stdio(t, b).open()
}

func expect(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s = %q, want %q", what, got, want)
	}
}

func TestLoop_NextCallAcksWhatWasWritten(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		_, say, states, beta := pair(t)
		say("one")
		expect(t, "messages", beta.call("1", "check_messages", checkNow).texts(), "one")
		expect(t, "states", states(), "delivered")
		expect(t, "messages", beta.call("2", "check_messages", checkNow).texts())
		expect(t, "states", states(), "acked implied")
	})
}

func TestLoop_AckNoneKeepsTheBatchForLater(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		_, say, states, beta := pair(t)
		say("one")
		first := beta.call("1", "check_messages", checkNow)
		expect(t, "messages", beta.call("2", "check_messages", `{"ack":"none"}`).texts())
		expect(t, "states", states(), "delivered")
		beta.call("3", "check_messages", `{"ack":"`+first.Result.Structured.Receipt+`"}`)
		expect(t, "states", states(), "acked explicit")

		say("two")
		beta.call("4", "check_messages", `{"ack":"none"}`)
		beta.call("5", "check_messages", `{"ack":"none"}`)
		beta.call("6", "check_messages", checkNow)
		expect(t, "states", states(), "acked explicit", "acked implied")
	})
}

func TestLoop_OverlappingCallsDoNotAckEachOther(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		_, say, states, beta := pair(t)
		beta.send(toolCall("1", "check_messages", checkLong))
		beta.send(toolCall("2", "check_messages", checkLong))
		synctest.Wait()
		say("one")
		first := parse(t, beta.recv())
		expect(t, "messages", first.texts(), "one")
		synctest.Wait()
		expect(t, "states", states(), "delivered")
		say("two")
		expect(t, "messages", parse(t, beta.recv()).texts(), "two")
		expect(t, "states", states(), "delivered", "delivered")
		beta.call("3", "check_messages", checkNow)
		expect(t, "states", states(), "acked implied", "acked implied")
	})
}

func TestLoop_CancelledCallTakesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		_, say, states, beta := pair(t)
		beta.send(toolCall("1", "check_messages", checkLong))
		synctest.Wait()
		beta.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`)
		if r := parse(t, beta.recv()); r.Error == nil {
			t.Errorf("the cancelled call was answered with a result")
		}
		say("one")
		synctest.Wait()
		expect(t, "states", states(), "stored")
		r := beta.call("2", "check_messages", checkNow)
		expect(t, "messages", r.texts(), "one")
		if r.Result.Structured.Messages[0].Redelivered {
			t.Error("a message that nobody was given is called redelivered")
		}
	})
}

func TestLoop_AnswerCancelledAfterItWasWrittenComesAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		_, say, states, beta := pair(t)
		say("one")
		beta.call("1", "check_messages", checkNow)
		beta.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"reason":"too late"}}`)
		r := beta.call("2", "check_messages", checkNow)
		expect(t, "messages", r.texts(), "one")
		if !r.Result.Structured.Messages[0].Redelivered {
			t.Error("a message that was thrown away is not called redelivered")
		}
		expect(t, "states", states(), "delivered")
	})
}

func TestLoop_AnswerThatNobodyReadIsGivenBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, say, states, beta := pair(t)
		say("one")
		beta.send(toolCall("1", "check_messages", checkNow))
		synctest.Wait() // the answer is being written: nobody reads
		expect(t, "states", states(), "delivered")
		beta.close()
		expect(t, "states", states(), "stored")
		_, b := w.agent(t, "beta")
		again := w.stdio(t, b).open()
		expect(t, "messages", again.call("1", "check_messages", checkNow).texts(), "one")
	})
}

func TestWait_EndsWithTheClient(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		_, say, states, beta := pair(t)
		beta.send(toolCall("1", "check_messages", checkLong))
		synctest.Wait()
		beta.close() // returns when the session is over
		say("one")
		synctest.Wait()
		expect(t, "states", states(), "stored")
	})
}

func TestClose_AnswersThoseWhoWait(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, _, _, beta := pair(t)
		start := time.Now()
		beta.send(toolCall("1", "check_messages", checkLong))
		synctest.Wait()
		closed := make(chan struct{})
		go func() { w.server.Close(); close(closed) }()
		r := parse(t, beta.recv())
		<-closed
		if r.Error != nil || r.Result.IsError || r.Result.Structured.Unread == nil {
			t.Errorf("a wait ended by closing was answered with %+v", r)
		}
		if waited := time.Since(start); waited > time.Second {
			t.Errorf("the wait went on for %s", waited)
		}
	})
}

func TestWait_ShowsProgressToWhoAsksForIt(t *testing.T) {
	const meta = `"_meta":{"progressToken":"p"}`
	const modernMeta = `"_meta":{"progressToken":"p","io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`
	for era, meta := range map[string]string{"legacy": meta, "modern": modernMeta} {
		t.Run(era, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w, _, _, beta := pair(t)
				if era == "modern" {
					beta.close()
					_, b := w.agent(t, "beta")
					beta = w.stdio(t, b)
				}
				start := time.Now()
				beta.send(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"check_messages","arguments":{"wait_seconds":25},` + meta + `}}`)
				var seen []string
				for {
					r := parse(t, beta.recv())
					if r.Method == "" {
						break
					}
					if r.Method != "notifications/progress" || r.Params["progressToken"] != "p" {
						t.Fatalf("got %+v, want progress", r)
					}
					seen = append(seen, time.Since(start).String())
				}
				expect(t, "progress", seen, "3s", "13s", "23s")
			})
		})
	}
}

func TestStdio_SurvivesWhatIsNoRequest(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		_, _, _, beta := pair(t)
		for _, line := range []string{`{"jsonrpc":"2.0","id":1,`, `hello`, `[]`, `[{"jsonrpc":"2.0","id":1,"method":"ping"}]`, `{"id":1,"method":"ping"}`, `{"jsonrpc":"2.0","id":{},"method":"ping"}`, `7`} {
			beta.send(line)
			if r := parse(t, beta.recv()); r.Error == nil || r.Error.Code != -32700 && r.Error.Code != -32600 {
				t.Errorf("%s was answered with %+v", line, r)
			}
		}
		beta.send("")
		beta.send("  ")
		r := beta.call("1", "no_such_tool", `{}`)
		if r.Error == nil || r.Error.Code != -32602 || !strings.Contains(r.Error.Message, "no_such_tool") {
			t.Errorf("an unknown tool was answered with %+v", r)
		}
		if r := beta.call("1", "check_partners", `{}`); r.Result.IsError {
			t.Errorf("the session did not survive: %+v", r)
		}
	})
}

// The SDK refuses an id that is in use. That must not be taken for the answer to the request that uses it.
func TestStdio_ReusedIDTakesNobodysAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		_, say, states, beta := pair(t)
		beta.send(toolCall("1", "check_messages", checkLong))
		synctest.Wait()
		if r := beta.call("1", "check_messages", checkNow); r.Error == nil {
			t.Errorf("a used id was answered with %+v", r)
		}
		say("one")
		expect(t, "messages", parse(t, beta.recv()).texts(), "one")
		beta.call("2", "check_messages", checkNow)
		expect(t, "states", states(), "acked implied")
	})
}

// As with printf '…' | agentbridge mcp: what was asked before the end is answered before the end.
func TestStdio_AnswersWhatWasAskedBeforeTheEnd(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		_, say, _, beta := pair(t)
		say("one")
		beta.send(toolCall("1", "check_messages", checkLong) + "\n" + toolCall("2", "send", `{"message":"two"}`))
		beta.out.Close()
		answered := map[any]bool{}
		for range 2 {
			r := parse(t, beta.recv())
			answered[r.ID] = !r.Result.IsError && r.Error == nil
		}
		if !answered[1.0] || !answered[2.0] {
			t.Errorf("answered = %v, want both", answered)
		}
	})
}

func TestStdio_EndsAlthoughTheClientDoesNotRead(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Options{})
		_, b := w.agent(t, "beta")
		in, toServer := io.Pipe()
		_, out := io.Pipe() // nobody reads
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- w.server.ServeStdio(ctx, b, in, out) }()
		io.WriteString(toServer, `{"jsonrpc":"2.0","id":1,"method":"ping"}`+"\n")
		synctest.Wait()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("ServeStdio = %v, want its context's error", err)
		}
	})
}
