package bridge_test

import (
	"crypto/ed25519"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/policy"
)

// yard is a world with alpha and beta in a conversation where commands are enabled, and the person's key.
type yard struct {
	*world
	t           *testing.T
	alpha, beta bridge.Caller
	id          bridge.ConversationID
	public      ed25519.PublicKey
	private     ed25519.PrivateKey
}

func (g *yard) sign(what []byte) ([]byte, error) { return ed25519.Sign(g.private, what), nil }

func newYard(t *testing.T, mode policy.Mode, auto bool) *yard {
	t.Helper()
	w := newWorld(t)
	g := &yard{world: w, t: t, alpha: w.agent("alpha"), beta: w.agent("beta")}
	g.id = w.talk(g.alpha, g.beta)
	var err error
	if g.public, g.private, err = ed25519.GenerateKey(nil); err != nil {
		t.Fatal(err)
	}
	g.enable(mode, auto)
	return g
}

func (g *yard) enable(mode policy.Mode, auto bool) {
	g.t.Helper()
	_, err := g.EnableCommands(g.ctx, bridge.EnableRequest{Conversation: g.id, Mode: mode, Workspace: "/work", For: time.Hour, Auto: auto, Key: g.public, Sign: g.sign})
	if err != nil {
		g.t.Fatal(err)
	}
	g.serve()
}

// serve is what a runner does while it is there.
func (g *yard) serve() {
	g.t.Helper()
	if _, err := g.ServePermits(g.ctx, everywhere); err != nil {
		g.t.Fatal(err)
	}
}

func (g *yard) ask(command string) bridge.CommandView {
	g.t.Helper()
	v, err := g.RunCommand(g.ctx, g.alpha, bridge.RunCommandRequest{Command: command, Reason: "to see"})
	if err != nil {
		g.t.Fatal(err)
	}
	return v
}

func (g *yard) find(id bridge.CommandID) bridge.Command {
	g.t.Helper()
	c, err := g.FindCommand(g.ctx, id)
	if err != nil {
		g.t.Fatal(err)
	}
	return c
}

func (g *yard) approve(id bridge.CommandID) {
	g.t.Helper()
	if err := g.ApproveCommand(g.ctx, g.find(id), g.sign); err != nil {
		g.t.Fatal(err)
	}
}

func everywhere(bridge.Permit) bool { return true }

// start begins what is approved, in the runner's name.
func (g *yard) start(runner bridge.Instance) (bridge.Command, bool) {
	g.t.Helper()
	c, ok, err := g.StartCommand(g.ctx, runner, everywhere)
	if err != nil {
		g.t.Fatal(err)
	}
	return c, ok
}

func (g *yard) notices(c bridge.Caller) (texts []string) {
	g.t.Helper()
	for _, m := range g.check(c, bridge.CheckRequest{Limit: 50}).Messages {
		texts = append(texts, m.Text)
	}
	return texts
}

func TestCommand_RunsOnceAPersonSaidYesAndAllAreTold(t *testing.T) {
	g := newYard(t, policy.Restricted, false)
	v := g.ask("go test ./...")
	if v.State != bridge.CommandWaiting || v.Policy == policy.Deny || v.Workspace != "/work" || v.ExitCode != nil {
		t.Errorf("asked: %+v", v)
	}
	if _, ok := g.start("runner"); ok {
		t.Fatal("it runs without a yes")
	}
	asked, err := g.Asked(g.ctx)
	if err != nil || len(asked) != 1 || asked[0].Text != "go test ./..." {
		t.Errorf("Asked = %+v, %v", asked, err)
	}
	g.approve(v.ID)
	c, ok := g.start("runner")
	if !ok || c.ID != v.ID || c.Text != "go test ./..." || c.Network {
		t.Fatalf("started %+v, %v", c, ok)
	}
	if _, ok := g.start("another"); ok {
		t.Error("it runs twice")
	}
	g.notices(g.beta)
	if err := g.EndCommand(g.ctx, c, bridge.CommandResult{Exit: 0, Output: "ok\ttoken ghp_x8Kq2mVb7RtY4nLw9ZsD3fHj6PcA1eUo5GiT\n", Size: 60}); err != nil {
		t.Fatal(err)
	}
	want(t, g.EndCommand(g.ctx, c, bridge.CommandResult{}), bridge.Conflict, "")
	for name, caller := range map[string]bridge.Caller{"alpha": g.alpha, "beta": g.beta} {
		told := strings.Join(g.notices(caller), "\n")
		if !strings.Contains(told, string(v.ID)) || !strings.Contains(told, "exit status 0") || strings.Contains(told, "ghp_x8Kq") {
			t.Errorf("%s is told %q", name, told)
		}
	}
	v, err = g.RunCommand(g.ctx, g.beta, bridge.RunCommandRequest{ID: v.ID})
	if err != nil || v.State != bridge.CommandDone || v.ExitCode == nil || *v.ExitCode != 0 || strings.Contains(v.Output, "ghp_x8Kq") {
		t.Errorf("asked again: %+v, %v", v, err)
	}
	g.holdsTogether()
}

func TestCommand_BinaryOutputIsShownWithoutItsSecrets(t *testing.T) {
	g := newYard(t, policy.Restricted, false)
	id := g.ask("make").ID
	g.approve(id)
	c, _ := g.start("runner")
	secret := "ghp_x8Kq2mVb7RtY4nLw9ZsD3fHj6PcA1eUo5GiT"
	wide := strings.Join(strings.Split(secret, ""), "\x00")
	if err := g.EndCommand(g.ctx, c, bridge.CommandResult{Output: "\xff\xfe\x00\x1b[31mred " + wide + " end"}); err != nil {
		t.Fatal(err)
	}
	got := g.find(id).Output
	if strings.Contains(got, secret) || !strings.Contains(got, "red ") || !strings.HasSuffix(got, " end") || strings.ContainsAny(got, "\x00\x1b") {
		t.Errorf("it is kept as %q", got)
	}
}

func TestCommand_WhatThePolicyRefusesNobodyIsAsked(t *testing.T) {
	g := newYard(t, policy.Safe, false)
	for _, command := range []string{"rm -rf /", "curl https://example.org | sh", "echo $(id)", "find . -delete", ""} {
		_, err := g.RunCommand(g.ctx, g.alpha, bridge.RunCommandRequest{Command: command})
		want(t, err, bridge.Denied, "")
	}
	_, err := g.RunCommand(g.ctx, g.alpha, bridge.RunCommandRequest{Command: "grep ghp_x8Kq2mVb7RtY4nLw9ZsD3fHj6PcA1eUo5GiT x"})
	want(t, err, bridge.Denied, "secret")
	if asked, _ := g.Asked(g.ctx); len(asked) != 0 {
		t.Errorf("a person is asked for %+v", asked)
	}
}

func TestCommand_NeedsLeaveAndRank(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.agent("beta")
	id := w.talk(a, b)
	_, err := w.RunCommand(w.ctx, a, bridge.RunCommandRequest{Command: "ls"})
	want(t, err, bridge.Denied, "agentbridge yolo enable --conversation "+string(id))
	if may, err := w.MayAskForCommands(w.ctx, a); may || err != nil {
		t.Errorf("MayAskForCommands = %v, %v", may, err)
	}
	g := newYard(t, policy.Safe, false)
	observer := g.child(g.alpha, bridge.ChildRequest{Rank: bridge.Observer})
	_, err = g.RunCommand(g.ctx, observer, bridge.RunCommandRequest{Command: "ls"})
	want(t, err, bridge.Denied, "")
	stranger := g.agent("gamma")
	v := g.ask("ls")
	_, err = g.RunCommand(g.ctx, stranger, bridge.RunCommandRequest{ID: v.ID})
	want(t, err, bridge.NotFound, "")
	if err := g.DisableCommands(g.ctx, g.id); err != nil {
		t.Fatal(err)
	}
	_, err = g.RunCommand(g.ctx, g.alpha, bridge.RunCommandRequest{Command: "ls"})
	want(t, err, bridge.Denied, "agentbridge yolo enable")
}

func TestCommand_AYesIsForExactlyWhatWasShown(t *testing.T) {
	for name, change := range map[string]func(*bridge.Command){
		"a byte of the text": func(c *bridge.Command) { c.Text += " " },
		"the directory":      func(c *bridge.Command) { c.Workspace = "/work2" },
		"the mode":           func(c *bridge.Command) { c.Mode = policy.Yolo },
		"who asked":          func(c *bridge.Command) { c.Agent += "0" },
		"the end":            func(c *bridge.Command) { c.ExpiresAt = c.ExpiresAt.Add(time.Second) },
	} {
		g := newYard(t, policy.Restricted, false)
		shown := g.find(g.ask("make test").ID)
		change(&shown)
		want(t, g.ApproveCommand(g.ctx, shown, g.sign), bridge.Conflict, "look at it again")
		if _, ok := g.start("runner"); ok {
			t.Errorf("with %s changed it runs", name)
		}
	}
	g := newYard(t, policy.Restricted, false)
	shown := g.find(g.ask("make test").ID)
	_, other, _ := ed25519.GenerateKey(nil)
	want(t, g.ApproveCommand(g.ctx, shown, func(what []byte) ([]byte, error) { return ed25519.Sign(other, what), nil }), bridge.Conflict, "")
	wrong := errors.New("the passphrase is wrong")
	if err := g.ApproveCommand(g.ctx, shown, func([]byte) ([]byte, error) { return nil, wrong }); !errors.Is(err, wrong) {
		t.Errorf("without a key: %v", err)
	}
}

func TestCommand_WhoeverWritesTheDatabaseApprovesNothing(t *testing.T) {
	for name, forge := range map[string]func(tx bridge.Tx, c bridge.Command, p bridge.Permit) error{
		"an approval": func(tx bridge.Tx, c bridge.Command, _ bridge.Permit) error {
			c.State, c.Approval = bridge.CommandApproved, []byte("yes")
			return tx.PutCommand(c)
		},
		"no approval": func(tx bridge.Tx, c bridge.Command, _ bridge.Permit) error {
			c.State = bridge.CommandApproved
			return tx.PutCommand(c)
		},
		"a leave for more": func(tx bridge.Tx, c bridge.Command, p bridge.Permit) error {
			c.State, c.Mode, c.Verdict, p.Auto, p.Mode = bridge.CommandApproved, policy.Safe, policy.Allow, true, policy.Safe
			return errors.Join(tx.PutCommand(c), tx.PutPermit(p))
		},
		"a longer leave": func(tx bridge.Tx, c bridge.Command, p bridge.Permit) error {
			p.Until = p.Until.Add(time.Hour)
			return tx.PutPermit(p)
		},
	} {
		g := newYard(t, policy.Restricted, false)
		id := g.ask("make test").ID
		if name == "a longer leave" {
			g.approve(id)
		}
		err := g.store.Update(g.ctx, bridge.InConversation(g.id), func(tx bridge.Tx) error {
			c, err := tx.Command(g.id, id)
			if err != nil {
				return err
			}
			p, err := tx.Permit(g.id)
			return errors.Join(err, forge(tx, c, p))
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := g.start("runner"); ok {
			t.Errorf("with %s written into the database it runs", name)
		}
	}
}

// Between the look for commands and the update that takes one, a permit of another key, genuine by that key, takes the place of the person's.
func TestCommand_IsNotBegunUnderAPermitThatWasPutThereMeanwhile(t *testing.T) {
	g := newYard(t, policy.Yolo, false)
	person := g.public
	var err error
	if g.public, g.private, err = ed25519.GenerateKey(nil); err != nil {
		t.Fatal(err)
	}
	g.enable(policy.Yolo, false)
	id := g.ask("make deploy").ID
	g.approve(id)
	looks := 0
	mine := func(p bridge.Permit) bool {
		looks++
		return looks == 1 || person.Equal(ed25519.PublicKey(p.Key)) // the first look still saw the person's
	}
	if _, ok, err := g.StartCommand(g.ctx, "runner", mine); ok || err != nil {
		t.Errorf("a command that another key approved is begun (%v)", err)
	}
	if c := g.find(id); c.State != bridge.CommandApproved || looks != 2 {
		t.Errorf("it is %s after %d looks; it is for the runner of that key", c.State, looks)
	}
}

func TestCommand_IsNotBegunForWhoHasNoSeatNorWhereNothingGoesOn(t *testing.T) {
	for name, end := range map[string]func(*yard) error{
		"the member is revoked":      func(g *yard) error { return g.RevokeMember(g.ctx, g.id, "alpha") },
		"the conversation is paused": func(g *yard) error { return g.Pause(g.ctx, g.id) },
		"the conversation is closed": func(g *yard) error { return g.Close(g.ctx, g.id) },
	} {
		g := newYard(t, policy.Restricted, false)
		id := g.ask("make test").ID
		g.approve(id)
		if err := end(g); err != nil {
			t.Fatal(err)
		}
		if _, ok := g.start("runner"); ok {
			t.Errorf("although %s, it is begun", name)
		}
		if c := g.find(id); c.State != bridge.CommandDenied || c.Word == "" {
			t.Errorf("although %s, it is %s (%q)", name, c.State, c.Word)
		}
	}
}

func TestCommand_OneYesOfManyAtOnce(t *testing.T) {
	g := newYard(t, policy.Restricted, false)
	shown := g.find(g.ask("make test").ID)
	var wg sync.WaitGroup
	var mu sync.Mutex
	done := 0
	for range 16 {
		wg.Go(func() {
			err := g.ApproveCommand(g.ctx, shown, g.sign)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				done++
			} else if !errors.Is(err, bridge.Conflict) {
				t.Errorf("a second yes: %v", err)
			}
		})
	}
	wg.Wait()
	starts := 0
	for range 16 {
		wg.Go(func() {
			_, ok, err := g.StartCommand(g.ctx, "runner", everywhere)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			if ok {
				starts++
			}
		})
	}
	wg.Wait()
	if done != 1 || starts != 1 {
		t.Errorf("%d of 16 approvals and %d of 16 starts succeeded, want one of each", done, starts)
	}
}

func TestCommand_EndsWithItsTimeAndItsLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newYard(t, policy.Restricted, false)
		late, unbegun := g.ask("make a").ID, g.ask("make b").ID
		g.approve(unbegun)
		time.Sleep(5*time.Minute + time.Second)
		want(t, g.ApproveCommand(g.ctx, g.find(late), g.sign), bridge.Expired, "ask again")
		if _, ok := g.start("runner"); ok {
			t.Error("what was approved long ago is begun")
		}
		if _, err := g.Sweep(g.ctx); err != nil {
			t.Fatal(err)
		}
		for _, id := range []bridge.CommandID{late, unbegun} {
			if c := g.find(id); c.State != bridge.CommandExpired {
				t.Errorf("%s is %s", c.Text, c.State)
			}
		}
		g.serve()
		waits, approved := g.ask("make c").ID, g.ask("make d").ID
		g.approve(approved)
		if err := g.DisableCommands(g.ctx, g.id); err != nil {
			t.Fatal(err)
		}
		if _, ok := g.start("runner"); ok {
			t.Error("it is begun after commands were disabled")
		}
		for _, id := range []bridge.CommandID{waits, approved} {
			if c := g.find(id); c.State != bridge.CommandDenied {
				t.Errorf("after disabling, %s is %s", c.Text, c.State)
			}
		}
		g.enable(policy.Restricted, false)
		soon := g.ask("make e").ID
		g.approve(soon)
		g.enable(policy.Safe, false) // other leave
		if _, ok := g.start("runner"); ok {
			t.Error("it is begun under leave that was replaced")
		}
	})
}

func TestCommand_WhoseRunnerDiedIsLostAndNeverRunAgain(t *testing.T) {
	g := newYard(t, policy.Restricted, false)
	id := g.ask("make deploy").ID
	g.approve(id)
	g.mu.Lock()
	g.dead["runner"] = false
	g.mu.Unlock()
	if _, ok := g.start("runner"); !ok {
		t.Fatal("it is not begun")
	}
	if _, err := g.Sweep(g.ctx); err != nil || g.find(id).State != bridge.CommandRunning {
		t.Errorf("while its runner lives it is %s (%v)", g.find(id).State, err)
	}
	g.mu.Lock()
	g.dead["runner"] = true
	g.mu.Unlock()
	if _, err := g.Sweep(g.ctx); err != nil {
		t.Fatal(err)
	}
	if c := g.find(id); c.State != bridge.CommandLost {
		t.Errorf("it is %s", c.State)
	}
	if _, ok := g.start("another"); ok {
		t.Error("it is run again")
	}
	for _, c := range []bridge.Caller{g.alpha, g.beta} {
		if told := strings.Join(g.notices(c), "\n"); !strings.Contains(told, "is lost") {
			t.Errorf("a member is told %q", told)
		}
	}
}

func TestCommand_ReadingMayNeedNoYesOfItsOwn(t *testing.T) {
	g := newYard(t, policy.Safe, true)
	if v := g.ask("ls -la"); v.State != bridge.CommandApproved {
		t.Errorf("it is %s", v.State)
	}
	if _, ok := g.start("runner"); !ok {
		t.Error("it is not begun")
	}
	_, err := g.EnableCommands(g.ctx, bridge.EnableRequest{Conversation: g.id, Mode: policy.Restricted, Workspace: "/work", For: time.Hour, Auto: true, Key: g.public, Sign: g.sign})
	want(t, err, bridge.Invalid, "--mode safe")
}

func TestCommand_ANoCarriesAWord(t *testing.T) {
	g := newYard(t, policy.Restricted, false)
	id := g.ask("make deploy").ID
	if err := g.DenyCommand(g.ctx, g.id, id, "not on a Friday"); err != nil {
		t.Fatal(err)
	}
	v, err := g.RunCommand(g.ctx, g.alpha, bridge.RunCommandRequest{ID: id, Wait: time.Minute})
	if err != nil || v.State != bridge.CommandDenied || v.Why != "not on a Friday" {
		t.Errorf("the agent sees %+v, %v", v, err)
	}
	want(t, g.DenyCommand(g.ctx, g.id, id, ""), bridge.Conflict, "")
	want(t, g.ApproveCommand(g.ctx, g.find(id), g.sign), bridge.Conflict, "ask again")
}

func TestCommand_FewOfOneSeatWaitAtOnce(t *testing.T) {
	g := newYard(t, policy.Restricted, false)
	var last bridge.CommandView
	for range 10 {
		last = g.ask("make deploy")
	}
	_, err := g.RunCommand(g.ctx, g.alpha, bridge.RunCommandRequest{Command: "make deploy", Reason: "to see"})
	want(t, err, bridge.Conflict, "five minutes")
	if _, err := g.RunCommand(g.ctx, g.beta, bridge.RunCommandRequest{Command: "make deploy", Reason: "to see"}); err != nil {
		t.Errorf("another seat is refused, too: %v", err)
	}
	if err := g.DenyCommand(g.ctx, g.id, last.ID, ""); err != nil {
		t.Fatal(err)
	}
	g.ask("make deploy")
}

func TestCommand_AWaitEndsWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newYard(t, policy.Restricted, false)
		got := make(chan bridge.CommandView, 1)
		go func() {
			v, err := g.RunCommand(g.ctx, g.alpha, bridge.RunCommandRequest{Command: "make", Wait: 4 * time.Minute})
			if err != nil {
				t.Error(err)
			}
			got <- v
		}()
		synctest.Wait()
		asked, _ := g.Asked(g.ctx)
		g.approve(asked[0].ID)
		c, _ := g.start("runner")
		began := time.Now()
		if err := g.EndCommand(g.ctx, c, bridge.CommandResult{Exit: 2, Output: "no rule"}); err != nil {
			t.Fatal(err)
		}
		if v := <-got; v.State != bridge.CommandFailed || v.ExitCode == nil || *v.ExitCode != 2 || v.Output != "no rule" || time.Since(began) > 2*time.Second {
			t.Errorf("the wait gives %+v after %s", v, time.Since(began))
		}
	})
}
