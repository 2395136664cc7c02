package bridge_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

// tool is a way in for a token, called with arguments that the best of tokens may use.
type tool struct {
	name      string
	needs     bridge.Rank // the least rank that may
	wholly    bool        // not for a token that is held to less than its agent may do
	use       func(w *world, c bridge.Caller, s *stage) error
	elsewhere func(w *world, c bridge.Caller, id bridge.ConversationID) error // in a conversation that is named; nil: the tool takes none
}

// stage is what a tool's arguments name.
type stage struct {
	id      bridge.ConversationID
	open    bridge.TaskID          // added by the caller's seat
	held    bridge.ClaimTaskResult // by the caller's seat
	code    string                 // of another conversation, for anybody
	receipt bridge.Receipt         // of a batch of the caller's
}

// tools are the ten, and what else a token opens.
var tools = []tool{
	{name: "create_conversation", wholly: true, use: func(w *world, c bridge.Caller, _ *stage) error {
		_, err := w.Create(w.ctx, c, bridge.CreateRequest{Partners: []bridge.Partner{{Name: "delta"}}})
		return err
	}},
	{name: "create_conversation, to invite", wholly: true, use: func(w *world, c bridge.Caller, s *stage) error {
		_, err := w.Create(w.ctx, c, bridge.CreateRequest{Conversation: s.id, Partners: []bridge.Partner{{Name: "epsilon"}}})
		return err
	}},
	{name: "join_conversation", wholly: true, use: func(w *world, c bridge.Caller, s *stage) error {
		_, err := w.Join(w.ctx, c, bridge.JoinRequest{Code: s.code})
		return err
	}},
	{name: "send", needs: bridge.Worker, use: func(w *world, c bridge.Caller, s *stage) error {
		_, err := w.Send(w.ctx, c, bridge.SendRequest{Conversation: s.id, Message: "hello"})
		return err
	}, elsewhere: func(w *world, c bridge.Caller, id bridge.ConversationID) error {
		_, err := w.Send(w.ctx, c, bridge.SendRequest{Conversation: id, Message: "hello"})
		return err
	}},
	{name: "check_messages", needs: bridge.Observer, use: func(w *world, c bridge.Caller, s *stage) error {
		_, err := w.Check(w.ctx, c, bridge.CheckRequest{Conversation: s.id})
		return err
	}, elsewhere: func(w *world, c bridge.Caller, id bridge.ConversationID) error {
		_, err := w.Check(w.ctx, c, bridge.CheckRequest{Conversation: id})
		return err
	}},
	{name: "check_messages, of all", needs: bridge.Observer, use: func(w *world, c bridge.Caller, _ *stage) error {
		_, err := w.Check(w.ctx, c, bridge.CheckRequest{Wait: time.Second})
		return err
	}},
	{name: "check_messages, to ack", needs: bridge.Observer, use: func(w *world, c bridge.Caller, s *stage) error {
		_, err := w.Check(w.ctx, c, bridge.CheckRequest{Ack: s.receipt})
		return err
	}},
	{name: "check_messages, to peek", needs: bridge.Observer, use: func(w *world, c bridge.Caller, _ *stage) error {
		_, err := w.Check(w.ctx, c, bridge.CheckRequest{Peek: true})
		return err
	}},
	{name: "update_status", needs: bridge.Observer, use: func(w *world, c bridge.Caller, s *stage) error {
		_, err := w.SetStatus(w.ctx, c, bridge.StatusRequest{Conversation: s.id, Status: bridge.Working})
		return err
	}, elsewhere: func(w *world, c bridge.Caller, id bridge.ConversationID) error {
		_, err := w.SetStatus(w.ctx, c, bridge.StatusRequest{Conversation: id, Status: bridge.Working})
		return err
	}},
	{name: "check_partners", needs: bridge.Observer, use: func(w *world, c bridge.Caller, _ *stage) error {
		_, err := w.Partners(w.ctx, c, bridge.PartnersRequest{})
		return err
	}, elsewhere: func(w *world, c bridge.Caller, id bridge.ConversationID) error {
		_, err := w.Partners(w.ctx, c, bridge.PartnersRequest{Conversation: id})
		return err
	}},
	{name: "add_task", needs: bridge.Peer, use: func(w *world, c bridge.Caller, s *stage) error {
		_, err := w.AddTask(w.ctx, c, bridge.AddTaskRequest{Conversation: s.id, Title: "one more"})
		return err
	}, elsewhere: func(w *world, c bridge.Caller, id bridge.ConversationID) error {
		_, err := w.AddTask(w.ctx, c, bridge.AddTaskRequest{Conversation: id, Title: "one more"})
		return err
	}},
	{name: "claim_task", needs: bridge.Worker, use: func(w *world, c bridge.Caller, _ *stage) error {
		_, err := w.ClaimTask(w.ctx, c, bridge.ClaimTaskRequest{})
		return err
	}, elsewhere: func(w *world, c bridge.Caller, id bridge.ConversationID) error {
		_, err := w.ClaimTask(w.ctx, c, bridge.ClaimTaskRequest{Conversation: id})
		return err
	}},
	{name: "claim_task, by name", needs: bridge.Worker, use: func(w *world, c bridge.Caller, s *stage) error {
		_, err := w.ClaimTask(w.ctx, c, bridge.ClaimTaskRequest{Task: s.open})
		return err
	}},
	{name: "update_task, to renew", needs: bridge.Worker, use: func(w *world, c bridge.Caller, s *stage) error {
		_, err := w.UpdateTask(w.ctx, c, bridge.UpdateTaskRequest{Conversation: s.id, Task: s.held.Task.ID, Action: bridge.RenewTask, LeaseToken: s.held.LeaseToken})
		return err
	}},
	{name: "update_task, to cancel", needs: bridge.Peer, use: func(w *world, c bridge.Caller, s *stage) error {
		_, err := w.UpdateTask(w.ctx, c, bridge.UpdateTaskRequest{Conversation: s.id, Task: s.open, Action: bridge.CancelTask})
		return err
	}, elsewhere: func(w *world, c bridge.Caller, id bridge.ConversationID) error {
		_, err := w.UpdateTask(w.ctx, c, bridge.UpdateTaskRequest{Conversation: id, Task: "task_x", Action: bridge.CancelTask})
		return err
	}},
	{name: "list_tasks", needs: bridge.Observer, use: func(w *world, c bridge.Caller, _ *stage) error {
		_, err := w.ListTasks(w.ctx, c, bridge.ListTasksRequest{})
		return err
	}, elsewhere: func(w *world, c bridge.Caller, id bridge.ConversationID) error {
		_, err := w.ListTasks(w.ctx, c, bridge.ListTasksRequest{Conversation: id})
		return err
	}},
	{name: "a conversation as a resource", needs: bridge.Observer, use: func(w *world, c bridge.Caller, s *stage) error {
		_, err := w.Conversation(w.ctx, c, s.id)
		return err
	}, elsewhere: func(w *world, c bridge.Caller, id bridge.ConversationID) error {
		_, err := w.Conversation(w.ctx, c, id)
		return err
	}},
	{name: "unread", needs: bridge.Observer, use: func(w *world, c bridge.Caller, _ *stage) error {
		_, err := w.Unread(w.ctx, c)
		return err
	}},
	{name: "what waits", needs: bridge.Observer, use: func(w *world, c bridge.Caller, _ *stage) error {
		_, err := w.Waiting(w.ctx, c)
		return err
	}},
	{name: "keep-alive", needs: bridge.Observer, use: func(w *world, c bridge.Caller, _ *stage) error {
		return bridgeErr(w.KeepAlive(w.ctx, c, func(bridge.KeepAlive) error { return errTold }))
	}},
	{name: "heartbeat", needs: bridge.Observer, use: func(w *world, c bridge.Caller, _ *stage) error {
		return w.Heartbeat(w.ctx, c, bridge.Pulse{})
	}},
	{name: "token renew", needs: bridge.Observer, use: func(w *world, c bridge.Caller, _ *stage) error {
		_, err := w.RenewToken(w.ctx, c)
		return err
	}},
	{name: "token new, a child", needs: bridge.Observer, use: func(w *world, c bridge.Caller, _ *stage) error {
		_, err := w.NewChildToken(w.ctx, c, bridge.ChildRequest{})
		return err
	}},
}

var errTold = bridge.Errorf(bridge.Paused, "told")

func bridgeErr(err error) error {
	if err == errTold {
		return nil
	}
	return err
}

// play sets a stage: alpha leads, beta is the caller, and everything that a tool could want is there.
func (w *world) play() (s *stage, a, b bridge.Caller, token string) {
	w.t.Helper()
	a = w.agent("alpha")
	token = w.further("beta")
	b = w.process(token, "beta")
	made, err := w.Create(w.ctx, a, bridge.CreateRequest{Partners: []bridge.Partner{{Name: "beta", Rank: bridge.Orchestrator}, {Name: "gamma"}}})
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.Join(w.ctx, b, bridge.JoinRequest{Code: made.Invites[0].Code}); err != nil {
		w.t.Fatal(err)
	}
	other, err := w.Create(w.ctx, a, bridge.CreateRequest{Partners: []bridge.Partner{{Name: "anybody"}}})
	if err != nil {
		w.t.Fatal(err)
	}
	s = &stage{id: made.Conversation, code: other.Invites[0].Code}
	if _, err := w.Send(w.ctx, a, bridge.SendRequest{Conversation: s.id, Message: "hello"}); err != nil {
		w.t.Fatal(err)
	}
	s.receipt = w.check(b, bridge.CheckRequest{}).Receipt
	add := func(title string) bridge.TaskID {
		res, err := w.AddTask(w.ctx, b, bridge.AddTaskRequest{Conversation: s.id, Title: title})
		if err != nil {
			w.t.Fatal(err)
		}
		return res.Task
	}
	s.held = w.claim(b, add("held"))
	s.open = add("open")
	return s, a, b, token
}

// size tells how much the logs hold, but for refusals, and what stands where nothing is logged.
func (w *world) size() string {
	w.t.Helper()
	entries, err := w.AuditEntries(w.ctx, bridge.AuditFilter{})
	if err != nil {
		w.t.Fatal(err)
	}
	entries = slices.DeleteFunc(entries, func(l bridge.AuditLine) bool { return l.Action == "refuse" })
	var text strings.Builder
	fmt.Fprintln(&text, len(entries))
	err = w.store.View(w.ctx, func(tx bridge.Tx) error {
		rows, err := tx.Tokens("")
		fmt.Fprintln(&text, rows, err)
		all, err := tx.Conversations()
		for _, c := range all {
			members, _ := tx.Members(c.ID)
			messages, _ := tx.Messages(c.ID, 0, 0)
			deliveries, _ := tx.Deliveries(c.ID, 0, 1<<40)
			tasks, _ := tx.Tasks(c.ID, "", 0, 0)
			invites, _ := tx.Invites(c.ID)
			fmt.Fprintln(&text, c, members, messages, deliveries, tasks, invites)
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return text.String()
}

// refuses fails unless every tool refuses the caller with that code, and nothing changes.
func (w *world) refuses(t *testing.T, c bridge.Caller, s *stage, code bridge.Code) (tried int) {
	t.Helper()
	before := w.size()
	for _, use := range tools {
		if err := use.use(w, c, s); bridge.AsError(err).Code != code || err == nil {
			t.Errorf("%s: %v, want %s", use.name, err, code)
		}
		tried++
	}
	if w.size() != before {
		t.Error("something changed")
	}
	return tried
}

func TestMatrix_EveryToolServesAGoodToken(t *testing.T) {
	for _, use := range tools {
		w := newWorld(t)
		s, _, b, _ := w.play()
		if err := use.use(w, b, s); err != nil {
			t.Errorf("%s: %v", use.name, err)
		}
	}
}

func TestMatrix_EveryToolRefusesATokenThatEnded(t *testing.T) {
	for name, end := range map[string]struct {
		how  func(w *world, a, b bridge.Caller)
		code bridge.Code
	}{
		"revoked":       {func(w *world, _, b bridge.Caller) { w.RevokeToken(w.ctx, b.Token()) }, bridge.Denied},
		"expired":       {func(*world, bridge.Caller, bridge.Caller) { time.Sleep(3 * time.Hour) }, bridge.Expired},
		"key is stolen": {func(w *world, _, _ bridge.Caller) { w.RotateKeys(w.ctx, 0, func(*bridge.KeyRing) error { return nil }) }, bridge.Denied},
		"key is retired": {func(w *world, a, _ bridge.Caller) {
			for range 2 {
				w.RotateKeys(w.ctx, time.Minute, func(*bridge.KeyRing) error { return nil })
				time.Sleep(time.Hour)
			}
		}, bridge.Denied},
		"key has ended": {func(w *world, a, _ bridge.Caller) {
			w.RotateKeys(w.ctx, time.Minute, func(*bridge.KeyRing) error { return nil })
			time.Sleep(time.Minute)
		}, bridge.Expired},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t)
				s, a, b, token := w.play()
				child := w.child(b, bridge.ChildRequest{})
				end.how(w, a, b)
				w.refuses(t, b, s, end.code)
				w.refuses(t, child, s, end.code)
				_, err := w.Authenticate(w.ctx, token, bridge.Origin{})
				want(t, err, end.code, "token")
			})
		})
	}
}

func TestMatrix_EveryToolHeedsTheRankOfAChildToken(t *testing.T) {
	order := map[bridge.Rank]int{bridge.Observer: 1, bridge.Worker: 2, bridge.Peer: 3, bridge.Orchestrator: 4}
	for rank := range order {
		for _, use := range tools {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t)
				s, _, b, _ := w.play()
				c := w.child(b, bridge.ChildRequest{Rank: rank})
				before := w.size()
				err := use.use(w, c, s)
				if use.wholly || order[rank] < order[use.needs] {
					want(t, err, bridge.Denied, "")
					if w.size() != before {
						t.Errorf("%s as %s: refused, and something changed", use.name, rank)
					}
				} else if err != nil {
					t.Errorf("%s as %s: %v", use.name, rank, err)
				}
			})
		}
	}
}

func TestMatrix_EveryToolRefusesARowEditedByHand(t *testing.T) {
	w := newWorld(t)
	w.tampered = true
	s, a, b, token := w.play()
	child, err := w.NewChildToken(w.ctx, b, bridge.ChildRequest{Rank: bridge.Observer, Conversation: s.id, Life: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	held, err := w.Authenticate(w.ctx, child.Token, bridge.Origin{})
	if err != nil {
		t.Fatal(err)
	}
	w.RotateKeys(w.ctx, time.Hour, func(*bridge.KeyRing) error { return nil })
	current := w.keyIDs()[0]
	var alphas bridge.Token
	edits := map[string]func(*bridge.Token){
		"agent swapped":          func(t *bridge.Token) { t.Agent = a.Agent() },
		"agent invented":         func(t *bridge.Token) { t.Agent = "agent_0000000000000000" },
		"expiry moved":           func(t *bridge.Token) { t.ExpiresAt = t.ExpiresAt.Add(time.Hour) },
		"expiry moved back":      func(t *bridge.Token) { t.ExpiresAt = t.ExpiresAt.Add(-time.Second) },
		"made at another time":   func(t *bridge.Token) { t.CreatedAt = t.CreatedAt.Add(-time.Second) },
		"tag changed":            func(t *bridge.Token) { t.Tag = slices.Clone(t.Tag); t.Tag[0] ^= 1 },
		"tag empty":              func(t *bridge.Token) { t.Tag = []byte{} },
		"seal changed":           func(t *bridge.Token) { t.Seal = slices.Clone(t.Seal); t.Seal[0] ^= 1 },
		"seal empty":             func(t *bridge.Token) { t.Seal = []byte{} },
		"seal of another":        func(t *bridge.Token) { t.Seal = alphas.Seal },
		"tag and seal swapped":   func(t *bridge.Token) { t.Tag, t.Seal = t.Seal, t.Tag },
		"tag and seal of other":  func(t *bridge.Token) { t.Tag, t.Seal = alphas.Tag, alphas.Seal },
		"key unknown":            func(t *bridge.Token) { t.KeyID = "aaaaaa" },
		"key empty":              func(t *bridge.Token) { t.KeyID = "" },
		"key of now":             func(t *bridge.Token) { t.KeyID = current },
		"revoked by hand":        func(t *bridge.Token) { t.RevokedAt = t.CreatedAt },
		"parent set":             func(t *bridge.Token) { t.Parent = alphas.ID },
		"rank cleared or set":    func(t *bridge.Token) { t.Rank = map[bridge.Rank]bridge.Rank{"": bridge.Orchestrator}[t.Rank] },
		"rank raised":            func(t *bridge.Token) { t.Rank = bridge.Orchestrator },
		"conversation swapped":   func(t *bridge.Token) { t.Conversation += "x" },
		"all of a child's moved": func(t *bridge.Token) { t.Parent, t.Rank, t.Conversation = "x", "x", "x" },
	}
	clears := map[string]func(*bridge.Token){
		"parent cleared":       func(t *bridge.Token) { t.Parent = "" },
		"rank cleared":         func(t *bridge.Token) { t.Rank = "" },
		"conversation cleared": func(t *bridge.Token) { t.Conversation = "" },
		"all three cleared":    func(t *bridge.Token) { t.Parent, t.Rank, t.Conversation = "", "", "" },
		"conversation widened": func(t *bridge.Token) { t.Rank, t.Conversation = bridge.Rank(t.Conversation), "" },
	}
	tried := 0
	edit := func(name string, c bridge.Caller, text string, edit func(*bridge.Token)) {
		t.Helper()
		var row bridge.Token
		put := func(change func(*bridge.Token)) {
			t.Helper()
			err := w.store.Update(w.ctx, bridge.Deployment, func(tx bridge.Tx) (err error) {
				if alphas, err = tx.Token(a.Token()); err != nil {
					return err
				}
				if row.ID == "" {
					if row, err = tx.Token(c.Token()); err != nil {
						return err
					}
				}
				edited := row
				change(&edited)
				return tx.PutToken(edited)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		put(edit)
		tried += w.refuses(t, c, s, bridge.Denied)
		_, err := w.Authenticate(w.ctx, text, bridge.Origin{})
		if *bridge.AsError(err) != *bridge.AsError(authenticate(w, "nonsense")) {
			t.Errorf("%s: %v reads otherwise than other failures", name, err)
		}
		if state := w.tokenStates()[c.Token()]; state != "forged" && !(name == "revoked by hand" && state == "revoked") {
			t.Errorf("%s: listed as %s", name, state)
		}
		if t.Failed() {
			t.Fatal(name)
		}
		put(func(*bridge.Token) {})
	}
	for _, name := range slices.Sorted(maps.Keys(edits)) {
		edit(name, b, token, edits[name])
		edit(name+", of a child", held, child.Token, edits[name])
	}
	for _, name := range slices.Sorted(maps.Keys(clears)) {
		edit(name, held, child.Token, clears[name])
	}
	// Its parent's row decides about a child, too.
	if err := w.RevokeToken(w.ctx, b.Token()); err != nil {
		t.Fatal(err)
	}
	edit("revocation cleared", b, token, func(t *bridge.Token) { t.RevokedAt = time.Time{} })
	t.Logf("%d calls with tokens of edited rows, all refused", tried)
}

func authenticate(w *world, token string) error {
	_, err := w.Authenticate(w.ctx, token, bridge.Origin{})
	return err
}

// keyIDs are those of the ring, the current one first.
func (w *world) keyIDs() (ids []string) {
	w.t.Helper()
	keys, err := w.Keys(w.ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, k := range keys {
		ids = append(ids, k.ID)
	}
	return ids
}

func TestMatrix_ACopyOfTheDatabaseGivesNoToken(t *testing.T) {
	w := newWorld(t)
	w.tampered = true
	_, _, b, _ := w.play()
	w.child(b, bridge.ChildRequest{Rank: bridge.Observer})
	var rows []bridge.Token
	err := w.store.View(w.ctx, func(tx bridge.Tx) (err error) { rows, err = tx.Tokens(""); return err })
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, row := range rows {
		id, err := hex.DecodeString(string(row.ID))
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range [][]byte{row.Tag, row.Seal, make([]byte, 32), slices.Concat(id, id)} {
			for _, key := range append(w.keyIDs(), "aaaaaa") {
				text := "abt1_" + key + "_" + base64.RawURLEncoding.EncodeToString(slices.Concat(id, secret))
				if err := authenticate(w, text); err == nil {
					t.Fatal("a token was made of a row")
				}
				tried++
			}
		}
	}
	// A row put in by hand, for a token that its writer knows.
	id, secret := []byte(strings.Repeat("i", 16)), []byte(strings.Repeat("s", 32))
	for _, like := range rows {
		row := like
		row.ID = bridge.TokenID(hex.EncodeToString(id))
		if err := w.store.Update(w.ctx, bridge.Deployment, func(tx bridge.Tx) error { return tx.PutToken(row) }); err != nil {
			t.Fatal(err)
		}
		err := authenticate(w, "abt1_"+row.KeyID+"_"+base64.RawURLEncoding.EncodeToString(slices.Concat(id, secret)))
		want(t, err, bridge.Denied, "token")
		tried++
	}
	// The whole store, under a key of somebody else's.
	_, err = bridge.New(w.ctx, w.store, bridge.Options{Keys: bridge.NewKeyRing(), Scanner: scanner(t)})
	want(t, err, bridge.Invalid, "key file")
	t.Logf("%d tokens made of rows, none accepted", tried)
}

func TestMatrix_NoMutationOfATokenIsAccepted(t *testing.T) {
	w := newWorld(t)
	s, _, b, token := w.play()
	child, err := w.NewChildToken(w.ctx, b, bridge.ChildRequest{Rank: bridge.Worker, Conversation: s.id})
	if err != nil {
		t.Fatal(err)
	}
	w.RotateKeys(w.ctx, time.Hour, func(*bridge.KeyRing) error { return nil })
	before, tried := w.size(), 0
	for _, text := range []string{token, child.Token, w.further("beta")} {
		before = w.size()
		for i := range text {
			for _, c := range tokenAlphabet {
				if byte(c) == text[i] {
					continue
				}
				if authenticate(w, text[:i]+string(c)+text[i+1:]) == nil {
					t.Fatalf("a token with character %d changed is accepted", i)
				}
				tried++
			}
		}
	}
	if w.size() != before {
		t.Error("something changed")
	}
	t.Logf("%d mutations, none accepted", tried)
}
