package storetest

import (
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

func conversationRoundTrips(t *testing.T, e Engine) {
	s := e.start(t)
	get := func(tx bridge.Tx) (bridge.Conversation, error) { return tx.Conversation(convID(1)) }
	missing(t, s, "Conversation", get)

	want := bridge.Conversation{
		ID: convID(1), Title: words, Creator: agentID(1), CreatedAt: odd(1), ExpiresAt: odd(2), ClosedAt: odd(3), WarnedAt: odd(4),
		BuriedAt: odd(5), ErasedAt: odd(6), DueAt: odd(7), LastSeq: 1 << 40, PausedAt: odd(8), PausedBy: bridge.PersonName, Turns: 59,
		SpokeBy: "beta", SpokeAt: odd(9), LastTask: 1 << 41, LastFence: 1 << 42, SeenAt: odd(10), Key: []byte{0, 0xff}, Head: make([]byte, 2025),
	}
	full(t, want)
	put(t, s, bridge.InConversation(convID(1)), func(tx bridge.Tx) error { return tx.PutConversation(want) })
	want.CreatedAt, want.ExpiresAt, want.ClosedAt, want.WarnedAt = at(1), at(2), at(3), at(4)
	want.BuriedAt, want.ErasedAt, want.DueAt, want.PausedAt, want.SpokeAt, want.SeenAt = at(5), at(6), at(7), at(8), at(9), at(10)
	same(t, "Conversation", look(t, s, get), want)

	// Some of the fields alone, for an engine that spares itself those which stay as they are.
	for _, change := range []func(){
		func() {
			want.LastSeq, want.Turns, want.SpokeBy, want.SpokeAt, want.Head = 2, 3, "", time.Time{}, []byte("h")
		},
		func() { want.DueAt = time.Time{} },
		func() { want.BuriedAt, want.ErasedAt = time.Time{}, time.Time{} },
		func() { want.BuriedAt, want.DueAt = at(11), at(12) },
	} {
		change()
		put(t, s, bridge.InConversation(convID(1)), func(tx bridge.Tx) error { return tx.PutConversation(want) })
		same(t, "Conversation after a change", look(t, s, get), want)
	}

	want = bridge.Conversation{ID: convID(1)}
	put(t, s, bridge.InConversation(convID(1)), func(tx bridge.Tx) error { return tx.PutConversation(want) })
	same(t, "Conversation after a second PutConversation", look(t, s, get), want)
	same(t, "Conversations", look(t, s, bridge.Tx.Conversations), []bridge.Conversation{want})
}

// putConversations stores conversations, each in its own scope.
func putConversations(t *testing.T, s bridge.Store, all ...bridge.Conversation) {
	t.Helper()
	for _, c := range all {
		put(t, s, bridge.InConversation(c.ID), func(tx bridge.Tx) error { return tx.PutConversation(c) })
	}
}

func conversationsOrder(t *testing.T, e Engine) {
	s := e.start(t)
	same(t, "Conversations of an empty store", look(t, s, bridge.Tx.Conversations), []bridge.Conversation{})
	a, b := bridge.Conversation{ID: convID(1), CreatedAt: at(2)}, bridge.Conversation{ID: convID(2), CreatedAt: at(3)}
	c := bridge.Conversation{ID: convID(3), CreatedAt: at(1), ErasedAt: at(9)}
	putConversations(t, s, a, b, c)
	same(t, "Conversations", look(t, s, bridge.Tx.Conversations), []bridge.Conversation{b, a, c})
}

func dueOrder(t *testing.T, e Engine) {
	s := e.start(t)
	putConversations(t, s,
		bridge.Conversation{ID: convID(1), DueAt: at(3)}, bridge.Conversation{ID: convID(2)}, bridge.Conversation{ID: convID(3), DueAt: at(1)},
		bridge.Conversation{ID: convID(4), DueAt: at(4)}, bridge.Conversation{ID: convID(5), DueAt: at(2)})
	for _, c := range []struct {
		until, limit int
		want         []bridge.ConversationID
	}{
		{0, 10, nil},
		{3, 10, []bridge.ConversationID{convID(3), convID(5), convID(1)}}, // at until is due, without DueAt is never due
		{9, 2, []bridge.ConversationID{convID(3), convID(5)}},
	} {
		got := look(t, s, func(tx bridge.Tx) ([]bridge.ConversationID, error) { return tx.DueConversations(at(c.until), c.limit) })
		same(t, "DueConversations", got, c.want)
	}
}

// eraseConversation fills two conversations alike and erases one.
func eraseConversation(t *testing.T, e Engine) {
	s := e.start(t)
	after := func(n int) bridge.Task {
		return task(n, 2, bridge.TaskOpen, func(k *bridge.Task) { k.After, k.Blockers, k.AssignTo = []bridge.TaskID{taskID(1)}, 1, "beta" })
	}
	for n := 1; n <= 2; n++ {
		id := convID(n)
		put(t, s, bridge.InConversation(id), func(tx bridge.Tx) error {
			return first(
				func() error {
					return tx.PutConversation(bridge.Conversation{ID: id, CreatedAt: at(n), Title: "t", LastSeq: 1})
				},
				func() error {
					return tx.PutMember(bridge.Member{Conversation: id, Name: "beta", Rank: bridge.Peer, Agent: agentID(1)})
				},
				func() error {
					return tx.PutInvite(bridge.Invite{ID: inviteID(n), Conversation: id, Name: "beta", CreatedAt: at(n)})
				},
				func() error { return tx.AddMessage(bridge.Message{ID: messageID(1), Conversation: id, Seq: 1}) },
				func() error { return tx.AddDelivery(delivery(n, "beta", 1, bridge.Delivered)) },
				func() error { return tx.AddDelivery(delivery(n, "b_a", 1, bridge.Stored)) },
				func() error {
					return tx.Charge(bridge.Account{Conversation: id, Holder: "beta", Kind: bridge.Write}, 0, 9)
				},
				func() error { return tx.AddEntry(bridge.LogEntry{Log: string(id), At: at(1), Record: []byte("r")}) },
				func() error { return tx.AddTask(task(n, 1, bridge.TaskClaimed)) },
				func() error { return tx.AddTask(after(n)) },
				func() error { return tx.AddAlert(alert(n, n, 1)) },
				func() error { return tx.PutSending(bridge.Sending{Sink: "beta", Alert: alertID(n)}) },
			)
		})
	}
	before := look(t, s, dump)
	put(t, s, bridge.InConversation(convID(1)), func(tx bridge.Tx) error { return tx.EraseConversation(convID(1)) })

	// The model erases too: whatever is left of either conversation, by every getter there is, has to be the same.
	want := newModel()
	for _, n := range []int{1, 2} {
		id := convID(n)
		want.conversations[id] = bridge.Conversation{ID: id, CreatedAt: at(n), Title: "t", LastSeq: 1}
		want.entries[entryKey{string(id), 0}] = bridge.LogEntry{Log: string(id), At: at(1), Record: []byte("r")}
		want.sendings[sendingKey{"beta", alertID(n)}] = bridge.Sending{Sink: "beta", Alert: alertID(n)}
	}
	other := convID(2)
	want.members[memberKey{other, "beta"}] = bridge.Member{Conversation: other, Name: "beta", Rank: bridge.Peer, Agent: agentID(1)}
	want.invites[inviteID(2)] = bridge.Invite{ID: inviteID(2), Conversation: other, Name: "beta", CreatedAt: at(2)}
	want.messages[messageKey{other, 1}] = bridge.Message{ID: messageID(1), Conversation: other, Seq: 1}
	want.deliveries[deliveryKey{other, "beta", 1}] = delivery(2, "beta", 1, bridge.Delivered)
	want.deliveries[deliveryKey{other, "b_a", 1}] = delivery(2, "b_a", 1, bridge.Stored)
	want.tasks[taskKey{other, taskID(1)}], want.tasks[taskKey{other, taskID(2)}] = task(2, 1, bridge.TaskClaimed), after(2)
	want.alerts[alertID(2)] = alert(2, 2, 1)
	account := bridge.Account{Conversation: other, Holder: "beta", Kind: bridge.Write}
	_, times, err := chargeTimes(t, s, account)
	if err != nil {
		t.Fatal(err)
	}
	want.charges[account] = times[:1]
	wanted, err := dump(want)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the store after EraseConversation", look(t, s, dump), wanted)
	if diff(before, wanted) == "" {
		t.Error("storetest: erasing should have shown")
	}

	// Ids, numbers and what came after what are free again.
	addTasks(t, s, task(1, 2, bridge.TaskOpen), task(1, 1, bridge.TaskOpen))
	got := look(t, s, func(tx bridge.Tx) ([]bridge.Task, error) { return tx.Dependents(convID(1), taskID(1)) })
	same(t, "Dependents of a task that was added after EraseConversation", got, []bridge.Task{})
}

// first runs steps until one fails.
func first(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func memberRoundTrips(t *testing.T, e Engine) {
	s := e.start(t)
	get := func(tx bridge.Tx) (bridge.Member, error) { return tx.Member(convID(1), "beta") }
	missing(t, s, "Member", get)

	want := bridge.Member{
		Conversation: convID(1), Name: "beta", Role: words, Rank: bridge.Orchestrator, Agent: agentID(1), InvitedAt: odd(1), JoinedAt: odd(2),
		RevokedAt: odd(3), Status: bridge.Blocked, Note: words, StatusAt: odd(4), SilentAt: odd(5),
	}
	full(t, want)
	put(t, s, bridge.InConversation(convID(1)), func(tx bridge.Tx) error { return tx.PutMember(want) })
	want.InvitedAt, want.JoinedAt, want.RevokedAt, want.StatusAt, want.SilentAt = at(1), at(2), at(3), at(4), at(5)
	same(t, "Member", look(t, s, get), want)
	missing(t, s, "Member", func(tx bridge.Tx) (bridge.Member, error) { return tx.Member(convID(1), "Beta") })
	missing(t, s, "Member", func(tx bridge.Tx) (bridge.Member, error) { return tx.Member(convID(2), "beta") })

	want = bridge.Member{Conversation: convID(1), Name: "beta", Rank: bridge.Observer}
	put(t, s, bridge.InConversation(convID(1)), func(tx bridge.Tx) error { return tx.PutMember(want) })
	same(t, "Member after a second PutMember", look(t, s, get), want)
}

func putMembers(t *testing.T, s bridge.Store, all ...bridge.Member) {
	t.Helper()
	for _, m := range all {
		m.Rank = bridge.Peer
		put(t, s, bridge.InConversation(m.Conversation), func(tx bridge.Tx) error { return tx.PutMember(m) })
	}
}

func membersOrder(t *testing.T, e Engine) {
	s := e.start(t)
	putMembers(t, s,
		bridge.Member{Conversation: convID(1), Name: "b", InvitedAt: at(2)},
		bridge.Member{Conversation: convID(1), Name: "c", InvitedAt: at(1)},
		bridge.Member{Conversation: convID(1), Name: "a", InvitedAt: at(2), RevokedAt: at(3)},
		bridge.Member{Conversation: convID(1), Name: "B", InvitedAt: at(2)},
		bridge.Member{Conversation: convID(2), Name: "d", InvitedAt: at(1)})
	name := pluck(func(m bridge.Member) string { return m.Name })
	of := func(n int) []string {
		return look(t, s, func(tx bridge.Tx) ([]string, error) { return name(tx.Members(convID(n))) })
	}
	same(t, "Members", of(1), []string{"c", "B", "a", "b"})
	same(t, "Members of nothing", of(3), []string{})
}

func memberships(t *testing.T, e Engine) {
	s := e.start(t)
	putMembers(t, s,
		bridge.Member{Conversation: convID(3), Name: "a", Agent: agentID(1), InvitedAt: at(1), JoinedAt: at(2)},
		bridge.Member{Conversation: convID(1), Name: "b", Agent: agentID(1), InvitedAt: at(2), JoinedAt: at(3)},
		bridge.Member{Conversation: convID(2), Name: "c", Agent: agentID(1), JoinedAt: at(1), RevokedAt: at(3)},
		bridge.Member{Conversation: convID(1), Name: "d", Agent: agentID(2), JoinedAt: at(1)},
		bridge.Member{Conversation: convID(1), Name: "e"})
	name := pluck(func(m bridge.Member) string { return m.Name })
	got := look(t, s, func(tx bridge.Tx) ([]string, error) { return name(tx.Memberships(agentID(1))) })
	same(t, "Memberships", got, []string{"b", "a"})
	got = look(t, s, func(tx bridge.Tx) ([]string, error) { return name(tx.Memberships(agentID(3))) })
	same(t, "Memberships of a stranger", got, []string{})
}

func inviteRoundTrips(t *testing.T, e Engine) {
	s := e.start(t)
	get := func(tx bridge.Tx) (bridge.Invite, error) { return tx.Invite(inviteID(1)) }
	missing(t, s, "Invite", get)

	want := bridge.Invite{
		ID: inviteID(1), Conversation: convID(1), Name: "beta", KeyID: "key1", Tag: []byte{0, 0xff}, CreatedAt: odd(1), ExpiresAt: odd(2),
		UsedAt: odd(3), UsedBy: agentID(1), Failures: 5, Void: true,
	}
	full(t, want)
	put(t, s, bridge.InConversation(convID(1)), func(tx bridge.Tx) error { return tx.PutInvite(want) })
	want.CreatedAt, want.ExpiresAt, want.UsedAt = at(1), at(2), at(3)
	same(t, "Invite", look(t, s, get), want)

	want = bridge.Invite{ID: inviteID(1), Conversation: convID(1), Name: "beta"}
	put(t, s, bridge.InConversation(convID(1)), func(tx bridge.Tx) error { return tx.PutInvite(want) })
	same(t, "Invite after a second PutInvite", look(t, s, get), want)
}

func putInvites(t *testing.T, s bridge.Store, all ...bridge.Invite) {
	t.Helper()
	for _, i := range all {
		put(t, s, bridge.InConversation(i.Conversation), func(tx bridge.Tx) error { return tx.PutInvite(i) })
	}
}

func invitesOrder(t *testing.T, e Engine) {
	s := e.start(t)
	putInvites(t, s,
		bridge.Invite{ID: inviteID(1), Conversation: convID(1), Name: "a", CreatedAt: at(2), Void: true},
		bridge.Invite{ID: inviteID(2), Conversation: convID(1), Name: "b", CreatedAt: at(1), UsedAt: at(3)},
		bridge.Invite{ID: inviteID(3), Conversation: convID(2), Name: "a", CreatedAt: at(1)})
	id := pluck(func(i bridge.Invite) string { return i.ID })
	got := look(t, s, func(tx bridge.Tx) ([]string, error) { return id(tx.Invites(convID(1))) })
	same(t, "Invites", got, []string{inviteID(2), inviteID(1)})
}

func invitesNamed(t *testing.T, e Engine) {
	s := e.start(t)
	putInvites(t, s,
		bridge.Invite{ID: inviteID(1), Conversation: convID(1), Name: "beta", CreatedAt: at(3)},
		bridge.Invite{ID: inviteID(2), Conversation: convID(2), Name: "beta", CreatedAt: at(2), ExpiresAt: at(2), Failures: 4}, // expiry is not the engine's to judge
		bridge.Invite{ID: inviteID(3), Conversation: convID(3), Name: "beta", CreatedAt: at(1), Void: true},
		bridge.Invite{ID: inviteID(4), Conversation: convID(4), Name: "beta", CreatedAt: at(1), UsedAt: at(4), UsedBy: agentID(1)},
		bridge.Invite{ID: inviteID(5), Conversation: convID(5), Name: "Beta", CreatedAt: at(1)})
	id := pluck(func(i bridge.Invite) string { return i.ID })
	got := look(t, s, func(tx bridge.Tx) ([]string, error) { return id(tx.InvitesNamed("beta")) })
	same(t, "InvitesNamed", got, []string{inviteID(2), inviteID(1)})
}
