package bridge_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/policy"
)

func (g *yard) answer(c bridge.Caller, id bridge.CommandID, yes bool) error {
	g.t.Helper()
	_, err := g.AnswerCommand(g.ctx, c, bridge.CommandAnswer{ID: id, Yes: yes})
	return err
}

func (g *yard) enableInClient() {
	g.t.Helper()
	_, err := g.EnableCommands(g.ctx, bridge.EnableRequest{
		Conversation: g.id, Mode: policy.Restricted, Workspace: "/work", For: time.Hour, InClient: true, Key: g.public, Sign: g.sign,
	})
	if err != nil {
		g.t.Fatal(err)
	}
	g.serve()
}

func TestAnswer_AYesInTheClientCountsWhereThePersonSaidSo(t *testing.T) {
	g := newYard(t, policy.Restricted, false)
	id := g.ask("make test").ID
	want(t, g.answer(g.alpha, id, true), bridge.Denied, "agentbridge approve")
	want(t, g.answer(g.beta, id, true), bridge.Denied, "only the one that asked")
	if _, ok := g.start("runner"); ok {
		t.Fatal("it runs with a yes from the client alone")
	}
	g.enableInClient()
	id = g.ask("make test").ID
	want(t, g.answer(g.beta, id, true), bridge.Denied, "only the one that asked")
	if err := g.answer(g.alpha, id, true); err != nil {
		t.Fatal(err)
	}
	want(t, g.answer(g.alpha, id, true), bridge.Conflict, "")
	want(t, g.answer(g.alpha, id, false), bridge.Conflict, "")
	if c, ok := g.start("runner"); !ok || c.ID != id {
		t.Error("it does not run with a yes from the client")
	}
}

func TestAnswer_ANoInTheClientAlwaysCounts(t *testing.T) {
	g := newYard(t, policy.Restricted, false)
	id := g.ask("make test").ID
	if err := g.answer(g.alpha, id, false); err != nil {
		t.Fatal(err)
	}
	if c := g.find(id); c.State != bridge.CommandDenied {
		t.Errorf("it is %s", c.State)
	}
	want(t, g.ApproveCommand(g.ctx, g.find(id), g.sign), bridge.Conflict, "")
}

// Whoever can write to the store alone has no key of the ring, and so cannot make an answer, nor move one to another command.
func TestAnswer_IsForExactlyOneCommand(t *testing.T) {
	g := newYard(t, policy.Restricted, false)
	g.enableInClient()
	first, second := g.ask("make test").ID, g.ask("make deploy").ID
	if err := g.answer(g.alpha, first, true); err != nil {
		t.Fatal(err)
	}
	err := g.store.Update(g.ctx, bridge.InConversation(g.id), func(tx bridge.Tx) error {
		from, err := tx.Command(g.id, first)
		if err != nil {
			return err
		}
		to, err := tx.Command(g.id, second)
		if err != nil {
			return err
		}
		to.State, to.Approval = bridge.CommandApproved, from.Approval
		from.State = bridge.CommandDenied
		if err := tx.PutCommand(from); err != nil {
			return err
		}
		return tx.PutCommand(to)
	})
	if err != nil {
		t.Fatal(err)
	}
	if c, ok := g.start("runner"); ok {
		t.Errorf("%q runs with the answer to another command", c.Text)
	}
}

func TestCommand_WithNobodyToRunItIsRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newYard(t, policy.Restricted, false)
		g.ask("make test")
		time.Sleep(3*bridge.RunnerBeat + time.Second)
		_, err := g.RunCommand(g.ctx, g.alpha, bridge.RunCommandRequest{Command: "make test"})
		want(t, err, bridge.Denied, "YOLO_MODE=1")
		n, err := g.ServePermits(g.ctx, func(p bridge.Permit) bool { return p.Workspace != "/work" })
		if n != 0 || err != nil {
			t.Errorf("ServePermits of another machine's = %d, %v", n, err)
		}
		_, err = g.RunCommand(g.ctx, g.alpha, bridge.RunCommandRequest{Command: "make test"})
		want(t, err, bridge.Denied, "YOLO_MODE=1")
		g.serve()
		g.ask("make test")
	})
}

func TestCommand_ALongOneIsRefusedOrTakenAndBreaksNothing(t *testing.T) {
	g := newYard(t, policy.Restricted, false)
	long := "go test " + strings.Repeat("./internal/bridge ", 200)
	if v := g.ask(strings.TrimSpace(long)); v.State != bridge.CommandWaiting {
		t.Errorf("it is %s", v.State)
	}
	_, err := g.RunCommand(g.ctx, g.alpha, bridge.RunCommandRequest{Command: "go test " + strings.Repeat("./x ", policy.MaxBytes)})
	want(t, err, bridge.Invalid, "")
}
