package mcpserver

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"agentbridge/internal/bridge"
)

// keeper is a client of the newer protocol that keeps tasks, over either transport.
type keeper struct {
	t    *testing.T
	n    int
	do   func(body string) (answer string)
	meta string
}

const keeping = `{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}}}}`

func newKeeper(x *wire) *keeper {
	return &keeper{t: x.t.(*testing.T), meta: keeping, do: func(body string) string { x.send(body); return x.recv() }}
}

// modernPair is as [pair], and beta speaks the newer protocol.
func modernPair(t *testing.T) (w *world, say func(string), states func() []string, beta *wire) {
	w = newWorld(t, Options{})
	_, a := w.agent(t, "alpha")
	_, b := w.agent(t, "beta")
	w.meet(t, a, b)
	return w, func(text string) { w.say(t, a, text) }, func() []string { return w.states(t, a) }, w.stdio(t, b)
}

// task is an answer of the extension, or a tool's.
type task struct {
	Error *struct {
		Code int
		Data json.RawMessage
	}
	Result struct {
		ResultType     string
		TaskID         string `json:"taskId"`
		Status         string
		StatusMessage  string
		CreatedAt      time.Time
		LastUpdatedAt  time.Time
		TTLMs          int64
		PollIntervalMs int64
		Result         json.RawMessage
	}
	whole string
}

func (k *keeper) ask(method, params string) task {
	k.t.Helper()
	k.n++
	line := k.do(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":{%s,"_meta":%s}}`, k.n, method, params, k.meta))
	var got task
	if err := json.Unmarshal([]byte(line), &got); err != nil {
		k.t.Fatalf("%v in %s", err, line)
	}
	got.whole = line
	return got
}

func (k *keeper) call(tool, arguments string) task {
	k.t.Helper()
	return k.ask("tools/call", fmt.Sprintf(`"name":%q,"arguments":%s`, tool, arguments))
}

// begin calls a tool that has to wait, so it gives a task.
func (k *keeper) begin(tool, arguments string) (id string) {
	k.t.Helper()
	got := k.call(tool, arguments)
	if got.Result.ResultType != "task" || got.Result.Status != "working" || got.Result.TaskID == "" {
		k.t.Fatalf("%s %s answered %s, want a task that works", tool, arguments, got.whole)
	}
	if !regexp.MustCompile(`^[\x21-\x7e]{1,128}$`).MatchString(got.Result.TaskID) {
		k.t.Errorf("Claude Code 2.1.330 takes no id such as %q, of %d characters", got.Result.TaskID, len(got.Result.TaskID))
	}
	return got.Result.TaskID
}

func (k *keeper) about(method, id string) task {
	k.t.Helper()
	return k.ask("tasks/"+method, fmt.Sprintf(`"taskId":%q`, id))
}

// status polls once.
func (k *keeper) status(id string) string {
	k.t.Helper()
	return k.about("get", id).Result.Status
}

// ended polls once and wants a result.
func (k *keeper) ended(id string) (got reply) {
	k.t.Helper()
	poll := k.about("get", id)
	if poll.Result.Status != "completed" || poll.Result.ResultType != "complete" {
		k.t.Fatalf("the poll says %s, want a result", poll.whole)
	}
	return parse(k.t, `{"result":`+string(poll.Result.Result)+`}`)
}

func TestWaitTask_WakesWithTheMessagesAndTheNextCallAcksThem(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		_, say, states, beta := modernPair(t)
		k := newKeeper(beta)
		id := k.begin("check_messages", checkLong)
		if got := k.status(id); got != "working" {
			t.Errorf("before anything was said the task is %s", got)
		}
		say("one")
		expect(t, "states", states(), "stored") // the task holds nothing
		expect(t, "messages", k.ended(id).texts(), "one")
		expect(t, "states", states(), "delivered")
		expect(t, "messages of the same poll again", k.ended(id).texts(), "one")
		expect(t, "states", states(), "delivered")
		k.call("check_messages", checkNow)
		expect(t, "states", states(), "acked implied")
	})
}

func TestWaitTask_ItsPollsAckNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		_, say, states, beta := modernPair(t)
		k := newKeeper(beta)
		id := k.begin("check_messages", checkLong)
		say("one")
		k.call("check_messages", checkNow) // by the model, which has not come back since
		say("two")
		expect(t, "messages", k.ended(id).texts(), "two")
		expect(t, "states", states(), "delivered", "delivered")
		k.call("check_messages", checkNow)
		expect(t, "states", states(), "acked implied", "acked implied")
	})
}

func TestWaitTask_IsNoneWhereNothingHasToWait(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		_, say, _, beta := modernPair(t)
		k := newKeeper(beta)
		say("one")
		for _, arguments := range []string{checkLong, checkNow} {
			if got := k.call("check_messages", arguments); got.Result.ResultType != "complete" {
				t.Errorf("check_messages %s answered %s", arguments, got.whole)
			}
		}
		k.meta = `{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`
		if got := k.call("check_messages", `{"wait_seconds":5}`); got.Result.ResultType != "complete" {
			t.Errorf("a client that keeps no tasks got %s", got.whole)
		}
	})
}

func TestWaitTask_EndsWithNothingWhenItsTimeIsUp(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		_, _, _, beta := modernPair(t)
		k := newKeeper(beta)
		start := time.Now()
		id := k.begin("check_messages", `{"wait_seconds":5}`)
		for k.status(id) == "working" {
			time.Sleep(taskPause)
		}
		if took := time.Since(start); took < 5*time.Second || took > 5*time.Second+taskPause {
			t.Errorf("it ended after %s", took)
		}
		if got := k.ended(id); len(got.texts()) != 0 || got.Result.IsError || got.Result.Structured.Unread == nil {
			t.Errorf("it ended with %+v", got.Result)
		}
	})
}

func TestWaitTask_ClaimsWhenATaskIsReady(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, _, _, beta := modernPair(t)
		k := newKeeper(beta)
		id := k.begin("claim_task", checkLong)
		alpha := alphaOf(t, w)
		added, err := w.AddTask(w.ctx, alpha, bridge.AddTaskRequest{Title: "work"})
		if err != nil {
			t.Fatal(err)
		}
		got := k.ended(id)
		if got.Result.Structured.Task == nil || got.Result.Structured.Task.ID != added.Task || got.Result.Structured.LeaseToken == 0 {
			t.Errorf("the claim gave %+v", got.Result.Structured)
		}
	})
}

func TestWaitTask_WaitsForATaskThatIsHeld(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, _, _, beta := modernPair(t)
		k := newKeeper(beta)
		alpha := alphaOf(t, w)
		added, err := w.AddTask(w.ctx, alpha, bridge.AddTaskRequest{Title: "work"})
		if err != nil {
			t.Fatal(err)
		}
		held, err := w.ClaimTask(w.ctx, alpha, bridge.ClaimTaskRequest{})
		if err != nil {
			t.Fatal(err)
		}
		id := k.begin("claim_task", fmt.Sprintf(`{"conversation_id":%q,"task_id":%q,"wait_seconds":240}`, added.Conversation, added.Task))
		if got := k.status(id); got != "working" {
			t.Errorf("while it is held the task is %s", got)
		}
		_, err = w.UpdateTask(w.ctx, alpha, bridge.UpdateTaskRequest{Task: added.Task, Action: "release", LeaseToken: held.LeaseToken})
		if err != nil {
			t.Fatal(err)
		}
		if got := k.ended(id).Result.Structured; got.Task == nil || got.Task.ID != added.Task {
			t.Errorf("the claim gave %+v", got)
		}
		if got := k.call("claim_task", `{"task_id":"task_ffffffffffffffff","wait_seconds":60}`); !strings.Contains(got.whole, `"not_found"`) {
			t.Errorf("a claim of a task that is not there answered %s", got.whole)
		}
	})
}

// A poll is the client's program: it proves nothing of the model, and takes nothing from its budget.
func TestWaitTask_PollsAreNoProgress(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, _, _, beta := modernPair(t)
		k := newKeeper(beta)
		id := k.begin("check_messages", checkLong)
		for range 110 {
			k.status(id)
		}
		res, err := w.Partners(w.ctx, alphaOf(t, w), bridge.PartnersRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if got := res.Partners[0]; got.Liveness == bridge.Alive {
			t.Errorf("after minutes of polls beta is %s", got.Liveness)
		}
	})
}

func TestWaitTask_CancelTakesBackWhatWasNotSeen(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		_, say, states, beta := modernPair(t)
		k := newKeeper(beta)
		id := k.begin("check_messages", checkLong)
		say("one")
		k.ended(id)
		if got := k.about("cancel", id); got.Error != nil || got.Result.ResultType != "complete" {
			t.Errorf("cancel answered %s", got.whole)
		}
		if got := k.status(id); got != "cancelled" {
			t.Errorf("after its cancel the task is %s", got)
		}
		expect(t, "states", states(), "stored")
		got := parse(t, k.call("check_messages", checkNow).whole)
		expect(t, "messages", got.texts(), "one")
		if !got.Result.Structured.Messages[0].Redelivered {
			t.Error("what was given before is not marked redelivered")
		}
	})
}

func TestWaitTask_CancelEndsAPollUnderWay(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		_, say, states, beta := modernPair(t)
		k := newKeeper(beta)
		id := k.begin("check_messages", checkLong)
		start := time.Now()
		beta.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":"poll","method":"tasks/get","params":{"taskId":%q,"_meta":%s}}`, id, keeping))
		synctest.Wait()
		beta.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":"end","method":"tasks/cancel","params":{"taskId":%q,"_meta":%s}}`, id, keeping))
		answers := beta.recv() + beta.recv()
		if !strings.Contains(answers, `"status":"cancelled"`) || time.Since(start) > taskHold/2 {
			t.Errorf("after %s: %s", time.Since(start), answers)
		}
		say("one")
		k.status(id)
		expect(t, "states", states(), "stored")
	})
}

// Two polls of one task at once give one result: the client looks at one of them.
func TestWaitTask_StaysCancelledWhateverComesOfAPollUnderWay(t *testing.T) {
	w := newWorld(t, Options{})
	cancelled := &taskState{Status: "cancelled"}
	e := w.server.waits.of("id")
	e.cancelWith(cancelled)
	if got := w.server.end(e, &exchange{}, &taskState{Status: "completed"}); got != cancelled {
		t.Errorf("the task is %s", got.Status)
	}
	if got, _ := e.end(); got != cancelled {
		t.Errorf("the task is remembered as %s", got.Status)
	}
}

func TestWaitTask_EndsOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		_, say, _, beta := modernPair(t)
		k := newKeeper(beta)
		id := k.begin("check_messages", `{"wait_seconds":240,"limit":1}`)
		for _, poll := range []string{"a", "b"} {
			beta.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%q,"method":"tasks/get","params":{"taskId":%q,"_meta":%s}}`, poll, id, keeping))
		}
		synctest.Wait()
		say("one")
		say("two")
		for range 2 {
			if got := beta.recv(); !strings.Contains(got, `\none\n`) || strings.Contains(got, `\ntwo\n`) {
				t.Errorf("a poll answered %s", got)
			}
		}
	})
}

func TestWaitTask_OutlivesItsProcess(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Options{})
		_, a := w.agent(t, "alpha")
		_, b := w.agent(t, "beta")
		w.meet(t, a, b)
		first := w.stdio(t, b)
		id := newKeeper(first).begin("check_messages", checkLong)
		first.close()
		time.Sleep(time.Hour)
		w.say(t, a, "one")
		w.server = New(w.Service, Options{Version: "test"})
		t.Cleanup(w.server.Close)
		expect(t, "messages", newKeeper(w.stdio(t, b)).ended(id).texts(), "one")
	})
}
