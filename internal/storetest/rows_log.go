package storetest

import (
	"errors"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

// chargeTimes asks for the number of charges and for the times of the latest six.
func chargeTimes(t *testing.T, s bridge.Store, a bridge.Account) (n int64, times []time.Time, err error) {
	t.Helper()
	err = s.View(t.Context(), func(tx bridge.Tx) (err error) {
		n, times, err = tx.Charges(a, 1, 2, 3, 4, 5, 6)
		return err
	})
	return n, times, err
}

// charge adds a charge and gives its time.
func charge(t *testing.T, s bridge.Store, a bridge.Account, keep int) (now time.Time) {
	t.Helper()
	put(t, s, bridge.OfAgent(agentID(1)), func(tx bridge.Tx) error {
		now = tx.Now()
		n, _, err := tx.Charges(a)
		if err != nil {
			return err
		}
		return tx.Charge(a, n, keep)
	})
	return now
}

func charges(t *testing.T, e Engine) {
	s := e.start(t)
	accounts := []bridge.Account{
		{Holder: string(agentID(1)), Kind: bridge.Read},
		{Holder: string(agentID(1)), Kind: bridge.Write},
		{Conversation: convID(1), Holder: "beta", Kind: bridge.Write},
		{Conversation: convID(2), Holder: "beta", Kind: bridge.Write},
	}
	n, times, err := chargeTimes(t, s, accounts[0])
	if n != 0 || err != nil {
		t.Errorf("Charges of a new account = %d, %v, want 0", n, err)
	}
	same(t, "times of a new account", times, make([]time.Time, 6))

	for i, a := range accounts {
		var want []time.Time // latest first
		for range i + 1 {
			want = append([]time.Time{charge(t, s, a, 100)}, want...)
		}
		n, times, err := chargeTimes(t, s, a)
		if n != int64(i+1) || err != nil {
			t.Errorf("Charges(%v) = %d, %v, want %d", a, n, err, i+1)
		}
		same(t, "times of charges", times, append(want, make([]time.Time, 6-len(want))...))
	}
	look(t, s, func(tx bridge.Tx) (struct{}, error) {
		all, out, err := tx.Charges(accounts[3], 4, 1, 90)
		if len(out) != 3 || all != 4 || err != nil {
			t.Errorf("Charges(back 4, 1, 90) = %d, %v, %v, want three times of 4 charges", all, out, err)
		} else if out[0].IsZero() || out[0].After(out[1]) || !out[2].IsZero() {
			t.Errorf("Charges(back 4, 1, 90) = %v, want the first, the last and none", out)
		}
		return struct{}{}, nil
	})
}

func chargeKeeps(t *testing.T, e Engine) {
	s := e.start(t)
	a := bridge.Account{Conversation: convID(1), Holder: "beta", Kind: bridge.Write}
	var want []time.Time
	for range 7 {
		want = append([]time.Time{charge(t, s, a, 3)}, want...)
	}
	n, times, err := chargeTimes(t, s, a)
	if n != 7 || err != nil {
		t.Errorf("Charges = %d, %v, want 7: forgotten charges count", n, err)
	}
	same(t, "times of charges", times, append(want[:3:3], make([]time.Time, 3)...))
}

func dropCharges(t *testing.T, e Engine) {
	s := e.start(t)
	outside := bridge.Account{Holder: string(agentID(1)), Kind: bridge.Read}
	inside := bridge.Account{Conversation: convID(1), Holder: string(agentID(1)), Kind: bridge.Write}
	var want []time.Time // latest first
	for range 3 {
		want = append([]time.Time{charge(t, s, outside, 100)}, want...)
		charge(t, s, inside, 100)
	}
	drop := func(before time.Time) {
		put(t, s, bridge.Deployment, func(tx bridge.Tx) error { return tx.DropCharges(before) })
	}
	drop(want[0])
	n, times, err := chargeTimes(t, s, outside)
	if n != 3 || err != nil {
		t.Errorf("Charges after all but the last were dropped = %d, %v, want 3: they were made", n, err)
	}
	for i, when := range times[1:] {
		if when.Equal(want[0]) || i < 2 && when.Equal(want[i+1]) && want[i+1].Before(want[0]) {
			t.Errorf("charge %d back is still there: %v", i+2, when)
		}
	}
	drop(want[0].Add(time.Microsecond))
	if n, _, err := chargeTimes(t, s, outside); n != 0 || err != nil {
		t.Errorf("Charges after all were dropped = %d, %v, want 0", n, err)
	}
	if n, _, err := chargeTimes(t, s, inside); n != 3 || err != nil {
		t.Errorf("Charges in a conversation = %d, %v, want 3", n, err)
	}
}

func grown(t *testing.T, e Engine) {
	s := e.start(t)
	list := func(limit int) []bridge.Grown {
		return look(t, s, func(tx bridge.Tx) ([]bridge.Grown, error) { return tx.Grown(limit) })
	}
	note := func(n int, size int64) {
		put(t, s, bridge.InConversation(convID(n)), func(tx bridge.Tx) error { return tx.PutGrown(bridge.Grown{Conversation: convID(n), Size: size}) })
	}
	drop := func(n int, size int64) {
		put(t, s, bridge.Deployment, func(tx bridge.Tx) error { return tx.DropGrown(bridge.Grown{Conversation: convID(n), Size: size}) })
	}
	same(t, "Grown of a new store", list(0), []bridge.Grown{})
	note(2, 5)
	note(1, 3)
	note(2, 7)
	full(t, bridge.Grown{Conversation: convID(1), Size: 3})
	both := []bridge.Grown{{Conversation: convID(1), Size: 3}, {Conversation: convID(2), Size: 7}}
	same(t, "Grown", list(0), both)
	same(t, "Grown(1)", list(1), both[:1])
	drop(2, 6)
	same(t, "Grown after a drop of what was outgrown", list(0), both)
	drop(2, 7)
	drop(3, 1)
	same(t, "Grown after a drop", list(0), both[:1])
}

func entryRoundTrips(t *testing.T, e Engine) {
	s := e.start(t)
	want := bridge.LogEntry{Log: string(convID(1)), N: 1 << 40, At: odd(1), Actor: "alpha", Action: "send", Record: []byte("{\"a\":\"\x00\xff" + words)}
	full(t, want)
	bare := bridge.LogEntry{Log: string(convID(1)), Record: []byte{}}
	put(t, s, bridge.InConversation(convID(1)), func(tx bridge.Tx) error {
		return first(func() error { return tx.AddEntry(want) }, func() error { return tx.AddEntry(bare) })
	})
	want.At = at(1)
	got := look(t, s, func(tx bridge.Tx) ([]bridge.LogEntry, error) { return tx.Entries(string(convID(1)), 0, 0) })
	same(t, "Entries", got, []bridge.LogEntry{bare, want})
}

func addEntryConflicts(t *testing.T, e Engine) {
	s := e.start(t)
	add := func(log string, record string) error {
		return s.Update(t.Context(), bridge.Deployment, func(tx bridge.Tx) error {
			return tx.AddEntry(bridge.LogEntry{Log: log, N: 3, Record: []byte(record)})
		})
	}
	for _, c := range []struct {
		log, record string
		want        error
	}{
		{bridge.DeploymentLog, "one", nil},
		{bridge.DeploymentLog, "one", bridge.Conflict}, // even the same record
		{bridge.DeploymentLog, "two", bridge.Conflict},
		{string(convID(1)), "one", nil},
	} {
		if err := add(c.log, c.record); !errors.Is(err, c.want) {
			t.Errorf("AddEntry(%s, 3, %s) = %v, want %v", c.log, c.record, err, c.want)
		}
	}
	got := look(t, s, func(tx bridge.Tx) ([]bridge.LogEntry, error) { return tx.Entries(bridge.DeploymentLog, 0, 0) })
	same(t, "Entries", got, []bridge.LogEntry{{Log: bridge.DeploymentLog, N: 3, Record: []byte("one")}})
}

func entriesOrder(t *testing.T, e Engine) {
	s := e.start(t)
	put(t, s, bridge.Deployment, func(tx bridge.Tx) error {
		for _, n := range []int64{10, 2, 0, 9, 1} {
			if err := tx.AddEntry(bridge.LogEntry{Log: bridge.DeploymentLog, N: n, Record: []byte("r")}); err != nil {
				return err
			}
		}
		return tx.AddEntry(bridge.LogEntry{Log: string(convID(1)), N: 5, Record: []byte("r")})
	})
	number := pluck(func(e bridge.LogEntry) int64 { return e.N })
	for _, c := range []struct {
		from  int64
		limit int
		want  []int64
	}{{0, 0, []int64{0, 1, 2, 9, 10}}, {2, 0, []int64{2, 9, 10}}, {1, 2, []int64{1, 2}}, {11, 3, nil}} {
		got := look(t, s, func(tx bridge.Tx) ([]int64, error) { return number(tx.Entries(bridge.DeploymentLog, c.from, c.limit)) })
		same(t, "Entries", got, c.want)
	}
}

func logs(t *testing.T, e Engine) {
	s := e.start(t)
	same(t, "Logs of an empty store", look(t, s, bridge.Tx.Logs), []string{})
	putConversations(t, s, bridge.Conversation{ID: convID(3)}) // has no entries
	put(t, s, bridge.Deployment, func(tx bridge.Tx) error {
		for _, log := range []string{bridge.DeploymentLog, string(convID(2)), string(convID(1))} {
			for n := range int64(2) {
				if err := tx.AddEntry(bridge.LogEntry{Log: log, N: n, Record: []byte("r")}); err != nil {
					return err
				}
			}
		}
		return nil
	})
	same(t, "Logs", look(t, s, bridge.Tx.Logs), []string{string(convID(1)), string(convID(2)), bridge.DeploymentLog})
}
