package bridge_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

// child makes a child token and authenticates with it, as over HTTP.
func (w *world) child(parent bridge.Caller, q bridge.ChildRequest) bridge.Caller {
	w.t.Helper()
	made, err := w.NewChildToken(w.ctx, parent, q)
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := w.Authenticate(w.ctx, made.Token, bridge.Origin{})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func TestChildToken_MayNeverDoMoreThanItsParent(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.agent("alpha"), w.agent("beta")
		first, second := w.talk(a, b), w.talk(a, b)
		start := time.Now()
		c := w.child(a, bridge.ChildRequest{Rank: bridge.Worker, Conversation: first, Life: time.Hour})
		for name, q := range map[string]bridge.ChildRequest{"rank": {Rank: bridge.Peer}, "conversation": {Conversation: second}} {
			if _, err := w.NewChildToken(w.ctx, c, q); err == nil {
				t.Errorf("a child was made with more %s than its parent", name)
			} else {
				want(t, err, bridge.Denied, "")
			}
		}
		for _, q := range []bridge.ChildRequest{{Rank: "king"}, {Rank: bridge.Person}, {Life: -time.Second}} {
			_, err := w.NewChildToken(w.ctx, a, q)
			want(t, err, bridge.Invalid, "choose")
		}
		grown, err := w.NewChildToken(w.ctx, c, bridge.ChildRequest{Life: 1000 * time.Hour})
		if err != nil || grown.Rank != bridge.Worker || grown.Conversation != first || !grown.ExpiresAt.Equal(start.Add(time.Hour)) {
			t.Errorf("a child that asks for nothing, and for longer: %+v, %v; want what its parent has", grown, err)
		}

		// The parent is renewed for ever; the child ends all the same.
		time.Sleep(45 * time.Minute)
		if _, err := w.RenewToken(w.ctx, a); err != nil {
			t.Fatal(err)
		}
		if expires, err := w.RenewToken(w.ctx, c); err != nil || !expires.Equal(start.Add(time.Hour)) {
			t.Errorf("RenewToken of a child = %s, %v; want its end, unmoved", expires, err)
		}
		_, err = w.ExtendToken(w.ctx, c.Token())
		want(t, err, bridge.Denied, "--for")
		time.Sleep(15 * time.Minute)
		_, err = w.Unread(w.ctx, c)
		want(t, err, bridge.Expired, "token")
		_, err = w.NewChildToken(w.ctx, c, bridge.ChildRequest{})
		want(t, err, bridge.Expired, "token")
		if _, err := w.Unread(w.ctx, a); err != nil {
			t.Errorf("the parent: %v", err)
		}
	})
}

func TestChildToken_EndsWithItsParent(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.agent("alpha")
		w.talk(a, w.agent("beta"))
		line := []bridge.Caller{a}
		for range 4 {
			line = append(line, w.child(line[len(line)-1], bridge.ChildRequest{}))
		}
		_, err := w.NewChildToken(w.ctx, line[4], bridge.ChildRequest{})
		want(t, err, bridge.Denied, "one of those")
		waiting := make(chan error)
		go func() {
			_, err := w.Check(w.ctx, line[4], bridge.CheckRequest{Wait: minute})
			waiting <- err
		}()
		time.Sleep(time.Second)
		if err := w.RevokeToken(w.ctx, line[2].Token()); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		want(t, <-waiting, bridge.Denied, "token")
		if waited := time.Since(start); waited > time.Second {
			t.Errorf("the wait of a child went on for %s", waited)
		}
		states := w.tokenStates()
		for i, c := range line {
			_, err := w.Unread(w.ctx, c)
			if i < 2 && err != nil || i >= 2 && (err == nil || states[c.Token()] != "revoked") {
				t.Errorf("token %d of the line: %v, listed as %s", i, err, states[c.Token()])
			}
		}
		// What was made too early ends when its parent does.
		young := w.child(a, bridge.ChildRequest{})
		time.Sleep(3 * time.Hour)
		_, err = w.Unread(w.ctx, young)
		want(t, err, bridge.Expired, "token")
	})
}

func TestNewChildToken_IsChargedToTheAgent(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, strict)
		a := w.remote("alpha")
		c := w.child(a, bridge.ChildRequest{Rank: bridge.Observer})
		for range 9 {
			if _, err := w.NewChildToken(w.ctx, c, bridge.ChildRequest{}); err != nil {
				t.Fatal(err)
			}
		}
		for name, parent := range map[string]bridge.Caller{"the child": c, "the agent's own token": a} {
			_, err := w.NewChildToken(w.ctx, parent, bridge.ChildRequest{})
			e, ok := errors.AsType[*bridge.Error](err)
			if !ok || e.Code != bridge.RateLimited || e.RetryAfter != 60 {
				t.Errorf("the 11th within a minute, by %s: %v; want rate_limited for a minute", name, err)
			}
		}
		if n := len(w.tokens()); n != 11 {
			t.Errorf("there are %d tokens, want alpha's and ten children", n)
		}
		time.Sleep(time.Minute)
		if _, err := w.NewChildToken(w.ctx, c, bridge.ChildRequest{}); err != nil {
			t.Errorf("a minute later: %v", err)
		}
	})
}

// What the parent and the other children hold is theirs: it is told to nobody a second time.
func TestRevokeToken_OfAChildTakesBackWhatItsLineHolds(t *testing.T) {
	for name, inOne := range map[string]bool{"good in all conversations": false, "held to one": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a, b := w.remote("alpha"), w.remote("beta")
			first, second := w.talk(a, b), w.talk(a, b)
			var q bridge.ChildRequest
			if inOne {
				q.Conversation = second
			}
			c, sibling := w.child(b, q), w.child(b, q)
			grandchild := w.child(c, q)
			for i, holder := range []bridge.Caller{b, c, grandchild, sibling} {
				for _, id := range []bridge.ConversationID{first, second} {
					if id == first && inOne && i > 0 {
						continue
					}
					if _, err := w.Send(w.ctx, a, bridge.SendRequest{Conversation: id, Message: "for one of them"}); err != nil {
						t.Fatal(err)
					}
				}
				w.check(holder, bridge.CheckRequest{})
			}
			states := func(id bridge.ConversationID) (list string) {
				for seq := int64(1); seq <= 4 && (id != first || !inOne || seq == 1); seq++ {
					list += " " + string(w.delivery(id, seq, "beta").State)
				}
				return list
			}
			wantFirst, wantSecond := " delivered stored stored delivered", " delivered stored stored delivered"
			if inOne {
				wantFirst = " delivered"
			}
			for range 2 { // revoking twice takes no more back
				if err := w.RevokeToken(w.ctx, c.Token()); err != nil {
					t.Fatal(err)
				}
				if got := states(first); got != wantFirst {
					t.Errorf("in the first conversation:%s; want%s", got, wantFirst)
				}
				if got := states(second); got != wantSecond {
					t.Errorf("in the second conversation:%s; want%s", got, wantSecond)
				}
			}
			if err := w.RevokeToken(w.ctx, b.Token()); err != nil {
				t.Fatal(err)
			}
			if got := states(second); got != " stored stored stored stored" {
				t.Errorf("after the agent's own token was revoked:%s; want all of them waiting", got)
			}
		})
	}
}

func TestChildToken_SeesOnlyItsConversation(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.agent("alpha"), w.agent("beta")
		first, second := w.talk(a, b), w.talk(a, b)
		for _, id := range []bridge.ConversationID{first, second, second} {
			if _, err := w.Send(w.ctx, a, bridge.SendRequest{Conversation: id, Message: "in " + string(id)}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.AddTask(w.ctx, a, bridge.AddTaskRequest{Conversation: second, Title: "elsewhere", Priority: 9}); err != nil {
			t.Fatal(err)
		}
		task, err := w.AddTask(w.ctx, a, bridge.AddTaskRequest{Conversation: first, Title: "here"})
		if err != nil {
			t.Fatal(err)
		}
		c := w.child(b, bridge.ChildRequest{Conversation: first})
		if n, err := w.Unread(w.ctx, c); n != 1 || err != nil {
			t.Errorf("Unread = %d, %v; want 1", n, err)
		}
		tasks, err := w.ListTasks(w.ctx, c, bridge.ListTasksRequest{})
		if err != nil || len(tasks.Tasks) != 1 || tasks.Unread != 1 {
			t.Errorf("ListTasks = %+v, %v", tasks, err)
		}
		partners, err := w.Partners(w.ctx, c, bridge.PartnersRequest{})
		if err != nil || len(partners.Partners) != 1 || partners.Partners[0].Conversation != first {
			t.Errorf("Partners = %+v, %v", partners, err)
		}
		if got := w.claim(c, ""); got.Task == nil || got.Task.ID != task.Task {
			t.Errorf("claimed %+v, want the task of its conversation", got.Task)
		}
		if _, err := w.SetStatus(w.ctx, c, bridge.StatusRequest{Status: bridge.Working}); err != nil {
			t.Errorf("without a conversation: %v; want its own", err)
		}
		got := w.check(c, bridge.CheckRequest{})
		if len(got.Messages) != 1 || got.Messages[0].Conversation != first || got.Unread != 0 {
			t.Errorf("Check = %+v", got)
		}
		told := make(chan bridge.KeepAlive, 1)
		w.KeepAlive(w.ctx, c, func(k bridge.KeepAlive) error { told <- k; return bridge.Errorf(bridge.Unavailable, "enough") })
		if k := <-told; k.Unread != 0 || k.NewestAt != nil {
			t.Errorf("a keep-alive is told of %+v", k)
		}
		for _, use := range tools {
			if use.elsewhere == nil {
				continue
			}
			want(t, use.elsewhere(w, c, second), bridge.Denied, "conversation_id")
		}
		// The agent's own token sees the rest, though the guess of its only conversation was a child's.
		if n, err := w.Unread(w.ctx, b); n != 2 || err != nil {
			t.Errorf("the parent: Unread = %d, %v; want 2", n, err)
		}
	})
}

func TestChildToken_LeavesTheRankOfTheSeat(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.agent("beta")
	id := w.talk(a, b)
	c := w.child(b, bridge.ChildRequest{Rank: bridge.Observer})
	if _, err := w.SetStatus(w.ctx, c, bridge.StatusRequest{Status: bridge.Blocked, Note: "a child says so"}); err != nil {
		t.Fatal(err)
	}
	view, err := w.Show(w.ctx, id)
	if err != nil || view.Roster[1].Rank != bridge.Peer || view.Roster[1].Status != bridge.Blocked {
		t.Errorf("the seat is %+v, %v", view.Roster[1], err)
	}
	if res, err := w.AddTask(w.ctx, b, bridge.AddTaskRequest{Title: "the parent may"}); err != nil || res.Task == "" {
		t.Error(err)
	}
}

// What a token may see hangs on few functions, so that no tool can forget it.
func TestChildToken_SeatsAreReadInOnePlace(t *testing.T) {
	allowed := map[string]bool{"child.go": true, "tokens.go": true} // what is taken back when a token ends is for no caller
	eachFile(t, func(name string, file *ast.File) {
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || sel.Sel.Name != "Memberships" && sel.Sel.Name != "Unread" || allowed[name] {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == "tx" || !ok {
				t.Errorf("%s reads an agent's seats with %s; use seatsOf or unreadOf, which heed the caller's token", name, sel.Sel.Name)
			}
			return true
		})
	})
}

// Proofs are compared in constant time, everywhere.
func TestProofs_AreComparedInConstantTime(t *testing.T) {
	secret := map[string]bool{"Tag": true, "Seal": true, "tag": true, "seal": true, "mac": true}
	isProof := func(e ast.Expr) bool {
		switch e := e.(type) {
		case *ast.SelectorExpr:
			return secret[e.Sel.Name]
		case *ast.Ident:
			return secret[e.Name]
		}
		return false
	}
	eachFile(t, func(name string, file *ast.File) {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BinaryExpr:
				if (n.Op == token.EQL || n.Op == token.NEQ) && (isProof(n.X) || isProof(n.Y)) {
					t.Errorf("%s compares a proof with %s", name, n.Op)
				}
			case *ast.CallExpr:
				if sel, ok := n.Fun.(*ast.SelectorExpr); ok && (sel.Sel.Name == "Equal" || sel.Sel.Name == "Compare") {
					x, _ := sel.X.(*ast.Ident)
					for _, arg := range n.Args {
						if isProof(arg) && (x == nil || x.Name != "hmac") {
							t.Errorf("%s compares a proof, and not with hmac.Equal", name)
						}
					}
				}
			}
			return true
		})
	})
}

// eachFile shows the files of the package, but its tests.
func eachFile(t *testing.T, look func(name string, file *ast.File)) {
	t.Helper()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), e.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		look(e.Name(), file)
	}
}
