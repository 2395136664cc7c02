package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"agentbridge/internal/bridge"
	"agentbridge/internal/policy"
)

func modelPromises() []promise {
	return []promise{{"Store_DoesWhatTheModelDoes", likeTheModel}}
}

// likeTheModel puts random updates, some of which are given up, to the store and to the model, and compares all that can be read.
func likeTheModel(t *testing.T, e Engine) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &machine{t: t, engine: e, address: e.New(t), model: newModel()}
		defer m.close()
		m.reopen(rt)
		rt.Repeat(map[string]func(*rapid.T){
			"": m.compare, "update": m.update, "update another": m.update, "update more": m.update, "update on": m.update, "reopen": m.reopen,
		})
	})
}

// machine is a store and what should be in it.
type machine struct {
	t       testing.TB
	engine  Engine
	address string
	stores  []bridge.Store // handles on one store
	model   *model
}

// reopen closes all handles and opens two new ones. What is private starts anew.
func (m *machine) reopen(rt *rapid.T) {
	m.close()
	n := 2
	if m.engine.Private {
		n, m.model = 1, newModel()
	}
	for range n {
		s, err := m.engine.Open(m.address)
		if err != nil {
			rt.Fatalf("open the store: %v", err)
		}
		m.stores = append(m.stores, s)
	}
}

func (m *machine) close() {
	for _, s := range m.stores {
		if err := s.Close(); err != nil {
			m.t.Errorf("Close() = %v", err)
		}
	}
	m.stores = nil
}

func (m *machine) compare(rt *rapid.T) {
	want, err := dump(m.model)
	if err != nil {
		rt.Fatalf("storetest: %v", err)
	}
	s := m.stores[rapid.IntRange(0, len(m.stores)-1).Draw(rt, "handle")]
	var got []shelf
	if err := s.View(m.t.Context(), func(tx bridge.Tx) (err error) { got, err = dump(tx); return err }); err != nil {
		rt.Fatalf("View = %v", err)
	}
	if diff := diff(got, want); diff != "" {
		rt.Fatalf("the store differs from the model (-model +store):\n%s", diff)
	}
}

// errGivenUp ends an update that changed its mind.
var errGivenUp = errors.New("given up")

func (m *machine) update(rt *rapid.T) {
	s := m.stores[rapid.IntRange(0, len(m.stores)-1).Draw(rt, "handle")]
	scope := rapid.SampledFrom([]bridge.Scope{bridge.Deployment, bridge.InConversation(convID(1)), bridge.OfAgent(agentID(1))}).Draw(rt, "scope")
	steps := make([]step, rapid.IntRange(1, 8).Draw(rt, "steps"))
	for i := range steps {
		steps[i] = drawStep(rt)
	}
	giveUp := rapid.IntRange(0, 4).Draw(rt, "give up") == 0
	lookInside := rapid.IntRange(0, 3).Draw(rt, "look inside") == 0

	// The engine may run fn more than once, so each run begins with a fresh copy, and may do so on another goroutine, so
	// nothing in it ends the test.
	var after *model
	var odd string
	var returned error
	err := s.Update(m.t.Context(), scope, func(tx bridge.Tx) (err error) {
		defer func() { returned = err }()
		after, odd = m.model.clone(tx.Now()), ""
		for _, step := range steps {
			got, want := step.do(tx), step.do(after)
			if verdict(got) != verdict(want) {
				odd = fmt.Sprintf("%s = %v, the model says %v", step.name, got, want)
			}
			if got != nil && !errors.Is(got, bridge.NotFound) {
				return got
			}
		}
		if lookInside {
			want, _ := dump(after)
			got, err := dump(tx)
			if err != nil {
				return err
			}
			if diff := diff(got, want); diff != "" {
				odd = "a transaction reads otherwise than it wrote (-model +store):\n" + diff
			}
		}
		if giveUp {
			return errGivenUp
		}
		return nil
	})
	switch {
	case odd != "":
		rt.Fatal(odd)
	case err != returned:
		rt.Fatalf("Update = %v, its fn returned %v", err, returned)
	case err == nil:
		m.model = after
	}
}

// verdict is what of an error the contract fixes.
func verdict(err error) string {
	switch {
	case err == nil:
		return "nil"
	case errors.Is(err, bridge.NotFound):
		return "not_found"
	case errors.Is(err, bridge.Conflict):
		return "conflict"
	}
	return "other"
}

// step is one call, for the store and for the model.
type step struct {
	name string
	do   func(tx bridge.Tx) error
}

// drawStep draws a write with keys from a few and values from a few more, so that rows meet.
func drawStep(rt *rapid.T) step {
	number := func(what string) int { return rapid.IntRange(1, 3).Draw(rt, what) }
	moment := func(what string) time.Time {
		n := rapid.IntRange(0, 1<<20).Draw(rt, what)
		if n%5 == 0 {
			return time.Time{}
		}
		return at(n)
	}
	rarely := func(what string) time.Time {
		if n := rapid.IntRange(0, 1<<20).Draw(rt, what); n%5 == 4 {
			return at(n)
		}
		return time.Time{}
	}
	unique := func(key int) time.Time { return at(4*rapid.IntRange(0, 1<<20).Draw(rt, "moment") + key) } // never that of another key, where the order of equals is open
	text := func() string {
		return rapid.StringOfN(rapid.RuneFrom([]rune("aB_é語\U0001F98A'\"\\\n")), 0, 5, -1).Draw(rt, "text")
	}
	name := func() string { return rapid.SampledFrom(names).Draw(rt, "name") }
	bytes := func() []byte { return rapid.SliceOfN(rapid.Byte(), 0, 5).Draw(rt, "bytes") }
	n, agent := number("conversation"), agentID(number("agent"))
	id := convID(n)

	kind := rapid.SampledFrom([]string{
		"PutMeta", "PutAgent", "PutToken", "PutConversation", "EraseConversation", "PutMember", "PutMember", "PutInvite", "AddMessage", "AddMessage",
		"AddDelivery", "AddDelivery", "AddDelivery", "PutDelivery", "PutPresence", "DropPresence", "TouchPresence", "Charge", "Charge", "AddEntry",
		"AddTask", "AddTask", "AddTask", "PutTask", "PutTask", "AddAlert", "PutSending", "DropSendings",
		"PutPermit", "AddCommand", "AddCommand", "PutCommand",
	}).Draw(rt, "step")
	s := step{name: kind}
	switch kind {
	case "PutMeta":
		key, value := name(), bytes()
		s.do = func(tx bridge.Tx) error { return tx.PutMeta(key, value) }
	case "PutAgent":
		row := bridge.Agent{ID: agent, Name: name(), Local: rapid.Bool().Draw(rt, "local"), CreatedAt: moment("created")}
		s.do = func(tx bridge.Tx) error { return tx.PutAgent(row) }
	case "PutToken":
		k := number("token")
		row := bridge.Token{ID: tokenID(k), Agent: agent, KeyID: text(), Tag: bytes(), Seal: bytes(), CreatedAt: unique(k), ExpiresAt: moment("expires"), RevokedAt: moment("revoked")}
		s.do = func(tx bridge.Tx) error { return tx.PutToken(row) }
	case "PutConversation":
		row := bridge.Conversation{ID: id, Title: text(), Creator: agent, CreatedAt: unique(n), ExpiresAt: moment("expires"), ClosedAt: moment("closed"), DueAt: unique(n), LastSeq: int64(number("seq")), Key: bytes(), Head: bytes()}
		row.BuriedAt, row.ErasedAt, row.PausedAt, row.PausedBy, row.LastTask = rarely("buried"), rarely("erased"), moment("paused"), name(), int64(number("task"))
		s.do = func(tx bridge.Tx) error { return tx.PutConversation(row) }
	case "EraseConversation":
		s.do = func(tx bridge.Tx) error { return tx.EraseConversation(id) }
	case "PutMember":
		row := bridge.Member{Conversation: id, Name: name(), Role: text(), Rank: bridge.Peer, Agent: agent, InvitedAt: moment("invited"), JoinedAt: moment("joined"), RevokedAt: moment("revoked"), SilentAt: rarely("silent"), Note: text()}
		s.do = func(tx bridge.Tx) error { return tx.PutMember(row) }
	case "PutInvite":
		k := number("invite")
		row := bridge.Invite{ID: inviteID(k), Conversation: id, Name: name(), Tag: bytes(), CreatedAt: unique(k), UsedAt: moment("used"), Failures: number("failures"), Void: rapid.Bool().Draw(rt, "void")}
		s.do = func(tx bridge.Tx) error { return tx.PutInvite(row) }
	case "AddMessage":
		row := bridge.Message{ID: messageID(number("message")), Conversation: id, Seq: int64(number("seq")), From: name(), Rank: bridge.Worker, Text: text(), ActionType: bridge.Info, Files: rapid.SliceOfN(rapid.Just("f"), 0, 2).Draw(rt, "files"), SentAt: moment("sent")}
		s.do = func(tx bridge.Tx) error { return tx.AddMessage(row) }
	case "AddDelivery", "PutDelivery":
		row := drawDelivery(rt, id, name(), int64(number("seq")))
		row.At = at(rapid.IntRange(0, 9).Draw(rt, "at")) // no copy is without
		write := bridge.Tx.AddDelivery
		if kind == "PutDelivery" {
			write = bridge.Tx.PutDelivery
		}
		s.do = func(tx bridge.Tx) error {
			if err := write(tx, row); err != nil {
				return fmt.Errorf("%w: %v", errKey, err) // the contract leaves the code open
			}
			return nil
		}
	case "PutPresence":
		row := bridge.Presence{Agent: agent, Instance: bridge.Instance(name()), HeartbeatAt: at(number("heartbeat")), ProgressAt: moment("progress")}
		s.do = func(tx bridge.Tx) error { return tx.PutPresence(row) }
	case "DropPresence":
		before := at(number("before"))
		s.do = func(tx bridge.Tx) error { return tx.DropPresence(before) }
	case "TouchPresence":
		instance, when := bridge.Instance(name()), at(number("touch"))
		s.do = func(tx bridge.Tx) error { return tx.TouchPresence(agent, instance, when) }
	case "AddTask", "PutTask":
		row := drawTask(rt, id, agent)
		row.Title, row.Detail, row.Result, row.ChangedAt, row.NudgedAt = text(), text(), text(), moment("changed"), rarely("nudged")
		write := bridge.Tx.AddTask
		if kind == "PutTask" {
			write = bridge.Tx.PutTask
		}
		s.do = func(tx bridge.Tx) error { return write(tx, row) }
	case "AddAlert":
		row := bridge.Alert{Conversation: id, ID: alertID(number("alert")), Kind: bridge.AlertPaused, At: at(number("at")), Member: name(), Task: taskID(number("task")), Text: text()}
		s.do = func(tx bridge.Tx) error { return tx.AddAlert(row) }
	case "PutSending":
		row := bridge.Sending{Sink: name(), Alert: alertID(number("alert")), Attempts: number("attempts"), NextAt: moment("next"), DoneAt: rarely("done")}
		s.do = func(tx bridge.Tx) error { return tx.PutSending(row) }
	case "PutPermit":
		row := bridge.Permit{
			Conversation: id, Mode: policy.Mode(number("mode")), Workspace: text(), Auto: rapid.Bool().Draw(rt, "auto"), InClient: rapid.Bool().Draw(rt, "in client"), Key: bytes(),
			Until: at(number("until")), EndedAt: rarely("ended"), ServedAt: rarely("served"), Signature: bytes(),
		}
		s.do = func(tx bridge.Tx) error { return tx.PutPermit(row) }
	case "AddCommand", "PutCommand":
		row := command(1, number("command"), number("changed"), rapid.SampledFrom([]bridge.CommandState{bridge.CommandWaiting, bridge.CommandWaiting, bridge.CommandDone}).Draw(rt, "state"))
		row.Conversation, row.Agent, row.Text, row.Output, row.Approval, row.Exit = id, agent, text(), text(), bytes(), number("exit")-2
		write := bridge.Tx.AddCommand
		if kind == "PutCommand" {
			write = bridge.Tx.PutCommand
		}
		s.do = func(tx bridge.Tx) error { return write(tx, row) }
	case "DropSendings":
		before := at(number("before"))
		s.do = func(tx bridge.Tx) error { return tx.DropSendings(before) }
	case "Charge":
		account := rapid.SampledFrom(accounts).Draw(rt, "account")
		s.do = func(tx bridge.Tx) error {
			n, _, err := tx.Charges(account, 1)
			if err != nil {
				return err
			}
			return tx.Charge(account, n, 3)
		}
	case "AddEntry":
		row := bridge.LogEntry{Log: string(id), N: int64(number("n")), At: moment("at"), Actor: name(), Action: "send", Record: bytes()}
		s.do = func(tx bridge.Tx) error { return tx.AddEntry(row) }
	}
	return s
}

func drawDelivery(rt *rapid.T, id bridge.ConversationID, recipient string, seq int64) bridge.Delivery {
	d := delivery(1, recipient, seq, rapid.SampledFrom([]bridge.DeliveryState{bridge.Stored, bridge.Delivered, bridge.Acked, bridge.Dead}).Draw(rt, "state"))
	d.Conversation = id
	if d.Instance != "" {
		d.Instance = rapid.SampledFrom([]bridge.Instance{"proc_1", "proc_2"}).Draw(rt, "instance")
	}
	return d
}

// drawTask draws a task in any state, mostly one that could be claimed. What an engine lists by, it draws from few values.
func drawTask(rt *rapid.T, id bridge.ConversationID, agent bridge.AgentID) bridge.Task {
	number := func(what string) int { return rapid.IntRange(1, 3).Draw(rt, what) }
	k := task(1, number("task"), rapid.SampledFrom([]bridge.TaskState{
		bridge.TaskOpen, bridge.TaskOpen, bridge.TaskOpen, bridge.TaskClaimed, bridge.TaskDone, bridge.TaskFailed, bridge.TaskCancelled,
	}).Draw(rt, "state"))
	k.Conversation, k.N, k.Agent = id, int64(number("n")), agent
	k.Priority, k.Fence = number("priority")-2, int64(number("fence"))
	k.Blockers = max(0, number("blockers")-2)
	k.AssignTo = rapid.SampledFrom([]string{"", "", names[0], names[1], names[2]}).Draw(rt, "assign to")
	k.After = rapid.SliceOfNDistinct(rapid.SampledFrom([]bridge.TaskID{taskID(1), taskID(2), taskID(3)}), 0, 2, rapid.ID).Draw(rt, "after")
	k.Files = rapid.SliceOfN(rapid.Just("f"), 0, 2).Draw(rt, "files")
	return k
}
