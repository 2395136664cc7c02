package mcpserver

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"agentbridge/internal/bridge"
)

const claimNow, claimLong = `{}`, `{"wait_seconds":240}`

// client is a client of either generation on either transport, at the level of requests.
type client interface {
	call(id, name, arguments string) reply
}

// modernWire is a client of the newer protocol on stdio.
type modernWire struct{ *wire }

func (x modernWire) call(id, name, arguments string) reply {
	x.t.Helper()
	x.send((&remote{}).body(id, name, arguments))
	return parse(x.t, x.recv())
}

// team is alpha, who hands out work, and beta, who does it through a client.
type team struct {
	*world
	t    *testing.T
	id   bridge.ConversationID
	lead bridge.Caller
	beta client
}

// everywhere runs a story for each transport and generation.
func everywhere(t *testing.T, story func(t *testing.T, w team)) {
	for name, connect := range map[string]func(t *testing.T, w *world, token string, c bridge.Caller) client{
		"stdio legacy": func(t *testing.T, w *world, _ string, c bridge.Caller) client { return w.stdio(t, c).open() },
		"stdio modern": func(t *testing.T, w *world, _ string, c bridge.Caller) client { return modernWire{w.stdio(t, c)} },
		"http legacy": func(t *testing.T, w *world, token string, _ bridge.Caller) client {
			return (&remote{t: t, hub: w.hub(t), token: token}).open()
		},
		"http modern": func(t *testing.T, w *world, token string, _ bridge.Caller) client {
			return &remote{t: t, hub: w.hub(t), token: token}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t, Options{})
				_, a := w.agent(t, "alpha")
				token, b := w.agent(t, "beta")
				id := w.meet(t, a, b)
				story(t, team{w, t, id, a, connect(t, w, token, b)})
			})
		})
	}
}

// add adds a task as alpha.
func (w team) add(title string) bridge.TaskID {
	w.t.Helper()
	res, err := w.AddTask(w.ctx, w.lead, bridge.AddTaskRequest{Title: title})
	if err != nil {
		w.t.Fatal(err)
	}
	return res.Task
}

// stand tells how every task stands: state, holder and attempts.
func (w team) stand() (list []string) {
	w.t.Helper()
	tasks, err := w.Tasks(w.ctx, w.id, 0, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, t := range tasks {
		list = append(list, strings.Join(strings.Fields(fmt.Sprint(t.State, " ", t.Holder, " ", t.Attempts)), " "))
	}
	return list
}

// claim makes beta claim in the background.
func (w team) claim(id, arguments string) <-chan reply {
	got := make(chan reply, 1)
	go func() { got <- w.beta.call(id, "claim_task", arguments) }()
	synctest.Wait()
	return got
}

// ofLease is the arguments of update_task for what a claim gave.
func ofLease(r reply, more string) string {
	return fmt.Sprintf(`{"task_id":%q,"lease_token":%d,%s}`, r.Result.Structured.Task.ID, r.Result.Structured.LeaseToken, more)
}

func TestTasks_AreAddedDoneAndListed(t *testing.T) {
	everywhere(t, func(t *testing.T, w team) {
		first := w.beta.call("1", "add_task", `{"title":"write the parser","priority":2,"key":"k"}`).Result.Structured.TaskID
		if again := w.beta.call("2", "add_task", `{"title":"write the parser","priority":2,"key":"k"}`); again.Result.Structured.TaskID != first ||
			!strings.Contains(again.Result.Content[0].Text, "there already") {
			t.Errorf("added again under its key: %+v", again.Result)
		}
		w.beta.call("3", "add_task", fmt.Sprintf(`{"title":"test the parser","detail":"all of it","after":[%q],"lease_minutes":5,"reassign":false,"files_involved":["parser_test.go"]}`, first))
		claimed := w.beta.call("4", "claim_task", claimNow)
		text := claimed.Result.Content[0].Text
		if got := claimed.Result.Structured; got.Task == nil || got.Task.ID != first || got.LeaseToken == 0 || got.Unread == nil {
			t.Fatalf("claim_task gave %+v", got)
		}
		for _, want := range []string{string(first), string(w.id), "write the parser", "not of your user", fmt.Sprint("lease_token ", claimed.Result.Structured.LeaseToken)} {
			if !strings.Contains(text, want) {
				t.Errorf("the text %q lacks %q", text, want)
			}
		}
		renewed := w.beta.call("5", "update_task", ofLease(claimed, `"action":"renew"`))
		if got := renewed.Result.Structured.Task; got == nil || got.State != bridge.TaskClaimed {
			t.Errorf("renewing gave %+v", renewed.Result.Structured)
		}
		done := w.beta.call("6", "update_task", ofLease(claimed, `"action":"complete","result":"in parser.go"`))
		if got := done.Result.Structured.Task; got == nil || got.State != bridge.TaskDone || got.Result != "in parser.go" {
			t.Errorf("completing gave %+v", done.Result.Structured)
		}
		page := w.beta.call("7", "list_tasks", `{"limit":1}`).Result
		if got := page.Structured; len(got.Tasks) != 1 || got.Tasks[0].ID != first || got.Cursor == "" || !strings.Contains(page.Content[0].Text, got.Cursor) {
			t.Errorf("the first page is %+v", page)
		}
		rest := w.beta.call("8", "list_tasks", fmt.Sprintf(`{"cursor":%q}`, page.Structured.Cursor)).Result
		if got := rest.Structured; len(got.Tasks) != 1 || got.Tasks[0].Title != "test the parser" || got.Cursor != "" {
			t.Errorf("the second page is %+v", rest)
		}
		if text := rest.Content[0].Text; !strings.Contains(text, "not of your user") || strings.Contains(text, "all of it") {
			t.Errorf("a listed task is told as %q, want it framed and without its detail", text)
		}
		expect(t, "tasks", w.stand(), "done beta 1", "open 0")
	})
}

func TestClaim_WakesForWork(t *testing.T) {
	everywhere(t, func(t *testing.T, w team) {
		start := time.Now()
		got := w.claim("1", claimLong)
		time.Sleep(5 * time.Second)
		id := w.add("one")
		if r := <-got; r.Result.Structured.Task == nil || r.Result.Structured.Task.ID != id {
			t.Errorf("the claim that waited got %+v", r)
		}
		if took := time.Since(start); took > 7*time.Second {
			t.Errorf("it came back after %v", took)
		}
	})
}

func TestClaim_ComesBackWithNothingInTime(t *testing.T) {
	everywhere(t, func(t *testing.T, w team) {
		start := time.Now()
		w.say(t, w.lead, "read me")
		r := w.beta.call("1", "claim_task", `{"wait_seconds":20}`)
		if took := time.Since(start); took != 20*time.Second {
			t.Errorf("it waited %v", took)
		}
		if got := r.Result; got.IsError || got.Structured.Task != nil || got.Structured.Unread == nil || *got.Structured.Unread != 1 || !strings.Contains(got.Content[0].Text, "unread: 1") {
			t.Errorf("it got %+v", r)
		}
	})
}

func TestClaim_ClosingServerAnswersThoseWhoWait(t *testing.T) {
	everywhere(t, func(t *testing.T, w team) {
		got := w.claim("1", claimLong)
		go w.server.Close()
		if r := <-got; r.Error != nil || r.Result.IsError || r.Result.Structured.Task != nil || r.Result.Structured.Unread == nil {
			t.Errorf("a claim ended by closing was answered with %+v", r)
		}
		w.add("one")
		synctest.Wait()
		expect(t, "tasks", w.stand(), "open 0")
	})
}

// Coming back is how a batch is acked. It means nothing for a claim, neither its end nor its renewal.
func TestClaim_OutlastsComingBack(t *testing.T) {
	everywhere(t, func(t *testing.T, w team) {
		w.add("one")
		claimed := w.beta.call("1", "claim_task", claimNow)
		w.say(t, w.lead, "read me")
		expect(t, "messages", w.beta.call("2", "check_messages", checkNow).texts(), "read me")
		w.beta.call("3", "check_messages", checkNow)
		w.beta.call("4", "claim_task", claimNow)
		expect(t, "deliveries", w.states(t, w.lead), "acked implied")
		expect(t, "tasks", w.stand(), "claimed beta 1")
		if r := w.beta.call("5", "update_task", ofLease(claimed, `"action":"complete"`)); r.Result.IsError {
			t.Errorf("it cannot be completed: %+v", r.Result.Structured)
		}
	})
}

func TestClaim_CancelledTakesNothing(t *testing.T) {
	everywhere(t, func(t *testing.T, w team) {
		switch beta := w.beta.(type) {
		case *remote:
			ctx, leave := context.WithCancel(t.Context())
			done := make(chan error)
			go func() {
				_, err := beta.hub.Do(post(ctx, beta.token, beta.session, beta.body("1", "claim_task", claimLong)))
				done <- err
			}()
			synctest.Wait()
			leave()
			<-done
		default:
			got := w.claim("1", claimLong)
			w.cancel("1")
			if r := <-got; r.Error == nil {
				t.Errorf("the cancelled claim was answered with a result: %+v", r)
			}
		}
		synctest.Wait()
		w.add("one")
		synctest.Wait()
		expect(t, "tasks", w.stand(), "open 0")
		if r := w.beta.call("2", "claim_task", claimNow); r.Result.Structured.Task == nil {
			t.Errorf("nobody gets it then: %+v", r)
		}
	})
}

// cancel gives up a request, as the client's program does. The newer protocol knows no such thing over HTTP.
func (w team) cancel(id string) {
	w.t.Helper()
	line := `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":` + id + `}}`
	switch beta := w.beta.(type) {
	case *wire:
		beta.send(line)
	case modernWire:
		beta.send(line)
	case *remote:
		beta.do(w.t.Context(), line).Body.Close()
	}
	synctest.Wait()
}

// canCancel reports whether this client can give up a request that was answered.
func (w team) canCancel() bool {
	beta, isRemote := w.beta.(*remote)
	return !isRemote || beta.session != ""
}

func TestClaim_AnswerCancelledAfterItWasWrittenGoesBack(t *testing.T) {
	everywhere(t, func(t *testing.T, w team) {
		if !w.canCancel() {
			return
		}
		w.add("one")
		w.beta.call("1", "claim_task", claimNow)
		w.cancel("1")
		expect(t, "tasks", w.stand(), "open 0")
		if r := w.beta.call("2", "claim_task", claimNow); r.Result.Structured.Task == nil {
			t.Errorf("nobody gets it then: %+v", r)
		}
	})
}

func TestClaim_UsedOrRepeatedIsNotTakenBack(t *testing.T) {
	everywhere(t, func(t *testing.T, w team) {
		if !w.canCancel() {
			return
		}
		id := w.add("one")
		claimed := w.beta.call("1", "claim_task", claimNow)
		// The same again, whose answer the client throws away: it has the first.
		again := w.beta.call("2", "claim_task", fmt.Sprintf(`{"task_id":%q}`, id))
		if got := again.Result.Structured; got.LeaseToken != claimed.Result.Structured.LeaseToken {
			t.Fatalf("claimed again: %+v, want the same lease", got)
		}
		w.cancel("2")
		expect(t, "tasks", w.stand(), "claimed beta 1")
		w.beta.call("3", "update_task", ofLease(claimed, `"action":"renew"`))
		w.cancel("1") // it cannot mean that: it named the lease's token
		expect(t, "tasks", w.stand(), "claimed beta 1")
	})
}

func TestClaim_AnswerThatNobodyReadGoesBack(t *testing.T) {
	everywhere(t, func(t *testing.T, w team) {
		w.add("one")
		switch beta := w.beta.(type) {
		case *remote:
			// The connection has no buffer, so what is not read is not written.
			conn, err := beta.hub.Transport.(*http.Transport).DialContext(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			if err := post(t.Context(), beta.token, beta.session, beta.body("1", "claim_task", claimNow)).Write(conn); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			expect(t, "tasks", w.stand(), "claimed beta 1")
			conn.Close()
		case *wire:
			beta.send(toolCall("1", "claim_task", claimNow))
			synctest.Wait()
			expect(t, "tasks", w.stand(), "claimed beta 1")
			beta.close()
		case modernWire:
			beta.send((&remote{}).body("1", "claim_task", claimNow))
			synctest.Wait()
			expect(t, "tasks", w.stand(), "claimed beta 1")
			beta.close()
		}
		synctest.Wait()
		expect(t, "tasks", w.stand(), "open 0")
	})
}

func TestClaim_ShowsProgress(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		_, _, _, beta := pair(t)
		start := time.Now()
		beta.send(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"claim_task","arguments":{"wait_seconds":15},"_meta":{"progressToken":"p"}}}`)
		var seen []string
		for {
			r := parse(t, beta.recv())
			if r.Method == "" {
				break
			}
			seen = append(seen, fmt.Sprint(r.Params["message"], " ", time.Since(start)))
		}
		expect(t, "progress", seen, "waiting for a task 3s", "waiting for a task 13s")
	})
}

func TestTasks_RefusalsTellTheWayOut(t *testing.T) {
	everywhere(t, func(t *testing.T, w team) {
		id := w.add("one")
		claimed := w.beta.call("1", "claim_task", claimNow)
		w.beta.call("2", "update_task", ofLease(claimed, `"action":"release"`))
		again := w.beta.call("3", "claim_task", claimNow)
		w.beta.call("4", "update_task", ofLease(again, `"action":"complete","result":"done"`))
		for _, c := range []struct {
			tool, arguments string
			code            bridge.Code
		}{
			{"update_task", ofLease(again, `"action":"complete","result":"done"`), ""},
			{"update_task", ofLease(again, `"action":"complete","result":"otherwise"`), bridge.Conflict},
			{"update_task", ofLease(claimed, `"action":"complete"`), bridge.LeaseLost},
			{"update_task", fmt.Sprintf(`{"task_id":%q,"action":"renew"}`, id), bridge.Invalid},
			{"update_task", `{"task_id":"task_0000000000000000","action":"renew","lease_token":1}`, bridge.NotFound},
			{"claim_task", `{"task_id":"task_0000000000000000"}`, bridge.NotFound},
			{"claim_task", fmt.Sprintf(`{"task_id":%q}`, id), bridge.Conflict},
			{"add_task", `{"title":"t","assign_to":"nobody"}`, bridge.NotFound},
			{"add_task", `{"title":"t","after":["task_0000000000000000"]}`, bridge.NotFound},
			{"add_task", `{"title":"  "}`, bridge.Invalid},
			{"add_task", `{"title":"t","priority":9007199254740991}`, bridge.Invalid},
			{"list_tasks", `{"cursor":"nonsense"}`, bridge.Invalid},
		} {
			r := w.beta.call("9", c.tool, c.arguments)
			got := r.Result.Structured
			if got.Code != string(c.code) || r.Result.IsError != (c.code != "") || c.code != "" && got.Hint == "" {
				t.Errorf("%s %s: %v %q %q (hint %q), want %q", c.tool, c.arguments, r.Error, got.Code, got.Message, got.Hint, c.code)
			}
		}
	})
}
