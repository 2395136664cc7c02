package storetest

import (
	"fmt"
	"testing"

	"agentbridge/internal/bridge"
)

func invariantPromises() []promise {
	return []promise{{"Invariants_SeeWhatIsWrongWithTasks", invariantsSee}}
}

// invariantsSee spoils a good store in one way at a time, and has each undone again.
func invariantsSee(t *testing.T, e Engine) {
	s := e.start(t)
	a, id := &local{store: s}, convID(1)
	for _, c := range []call{
		{Op: "add", Key: "one"},
		{Op: "add", Key: "two", Limit: 1},
		{Op: "add", Key: "three"},
		{Op: "add", Key: "four"},
		{Op: "claim", Receipt: "rcpt_1"},
		{Op: "claim", Receipt: "rcpt_2"},
		{Op: "end", Receipt: "rcpt_2", Key: string(bridge.TaskDone)},
	} {
		c.Conversation, c.Member = id, crew[1]
		if got := a.do(c); got.Err != "" {
			t.Fatalf("%s = %s", c.Op, got.Err)
		}
	}
	Invariants(t, s)

	change := func(n int64, to func(k *bridge.Task)) func(tx bridge.Tx) error { // 1 is claimed, 2 waits for it, 3 is done, 4 is open
		return func(tx bridge.Tx) error {
			all, err := tx.Tasks(id, "", n-1, 1)
			if err != nil {
				return err
			}
			to(&all[0])
			return tx.PutTask(all[0])
		}
	}
	room := func(to func(c *bridge.Conversation)) func(tx bridge.Tx) error {
		return func(tx bridge.Tx) error {
			c, err := tx.Conversation(id)
			if err != nil {
				return err
			}
			to(&c)
			return tx.PutConversation(c)
		}
	}
	seat := func(to func(m *bridge.Member)) func(tx bridge.Tx) error {
		return func(tx bridge.Tx) error {
			m, err := tx.Member(id, crew[0])
			if err != nil {
				return err
			}
			to(&m)
			return tx.PutMember(m)
		}
	}
	add := func(n int, after ...bridge.TaskID) func(tx bridge.Tx) error {
		return func(tx bridge.Tx) error {
			err := tx.AddTask(task(1, n, bridge.TaskOpen, func(k *bridge.Task) { k.After, k.Blockers = after, len(after) }))
			return first(func() error { return err }, func() error { return room(func(c *bridge.Conversation) { c.LastTask++ })(tx) })
		}
	}
	raise := func(to func(a *bridge.Alert)) func(tx bridge.Tx) error {
		a := alert(1, 1, 1)
		to(&a)
		return func(tx bridge.Tx) error { return tx.AddAlert(a) }
	}
	for what, spoil := range map[string]func(tx bridge.Tx) error{
		"a task too few":                   room(func(c *bridge.Conversation) { c.LastTask++ }),
		"a gap in the numbers":             add(9),
		"a task after one that is unknown": add(5, taskID(77)),
		"a task after itself":              add(5, taskID(5)),
		"a blocker too many":               change(4, func(k *bridge.Task) { k.Blockers = 1 }),
		"a blocker too few":                change(2, func(k *bridge.Task) { k.Blockers = 0 }),
		"done before what it waits for":    change(2, func(k *bridge.Task) { k.State, k.Fence, k.Holder, k.Agent = bridge.TaskDone, 2, crew[1], agentID(1) }),
		"claimed by nobody":                change(1, func(k *bridge.Task) { k.Holder = "" }),
		"claimed without a token":          change(1, func(k *bridge.Task) { k.Fence = 0 }),
		"claimed never":                    change(1, func(k *bridge.Task) { k.Attempts = 0 }),
		"claimed and ended":                change(1, func(k *bridge.Task) { k.Ended = "d" }),
		"held by a stranger":               change(1, func(k *bridge.Task) { k.Holder = "delta" }),
		"a token twice":                    change(3, func(k *bridge.Task) { k.Fence = 1 }),
		"a token from the future":          change(3, func(k *bridge.Task) { k.Fence = 3 }),
		"done without a holder":            change(4, func(k *bridge.Task) { k.State = bridge.TaskDone }),
		"no such state":                    change(4, func(k *bridge.Task) { k.State = "lost" }),
		"assigned to a stranger":           change(4, func(k *bridge.Task) { k.AssignTo = "delta" }),
		"assigned to one who was revoked": func(tx bridge.Tx) error {
			return first(func() error { return seat(func(m *bridge.Member) { m.RevokedAt = at(1) })(tx) },
				func() error { return change(4, func(k *bridge.Task) { k.AssignTo = crew[0] })(tx) })
		},
		"paused by nobody":        room(func(c *bridge.Conversation) { c.PausedAt = at(1) }),
		"paused by a member":      room(func(c *bridge.Conversation) { c.PausedAt, c.PausedBy = at(1), crew[0] }),
		"not paused by anybody":   room(func(c *bridge.Conversation) { c.PausedBy = bridge.PersonName }),
		"a stranger spoke":        room(func(c *bridge.Conversation) { c.SpokeAt, c.SpokeBy = at(1), "delta" }),
		"somebody spoke never":    room(func(c *bridge.Conversation) { c.SpokeBy = crew[0] }),
		"silent and never joined": seat(func(m *bridge.Member) { m.SilentAt, m.JoinedAt = at(2), m.RevokedAt }),
		"claimed in a grave":      room(func(c *bridge.Conversation) { c.BuriedAt = at(1) }),
		"erased, but for tasks":   room(func(c *bridge.Conversation) { c.ErasedAt, c.Title, c.Key = at(1), "", nil }),
		"an alert from nowhere":   raise(func(a *bridge.Alert) { a.Conversation = convID(9) }),
		"an alert about nobody":   raise(func(a *bridge.Alert) { a.Member = "delta" }),
		"an alert about nothing":  raise(func(a *bridge.Alert) { a.Task = taskID(77) }),
		"an alert without words":  raise(func(a *bridge.Alert) { a.Text = "" }),
		"an alert of no kind":     raise(func(a *bridge.Alert) { a.Kind = "odd" }),
		"growth that was not":     func(tx bridge.Tx) error { return tx.PutGrown(bridge.Grown{Conversation: id, Size: 99}) },
	} {
		seen := 0
		err := s.Update(t.Context(), bridge.InConversation(id), func(tx bridge.Tx) error {
			seen = 0
			if err := spoil(tx); err != nil {
				return fmt.Errorf("storetest: %w", err)
			}
			if err := inspect(tx, func(string, ...any) { seen++ }); err != nil {
				return err
			}
			return errTest
		})
		if err != errTest {
			t.Errorf("%s: Update = %v", what, err)
		} else if seen == 0 {
			t.Errorf("Invariants do not see %s", what)
		}
	}
	Invariants(t, s)
}
