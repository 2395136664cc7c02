package storetest

import (
	"sync"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

func presenceRoundTrips(t *testing.T, e Engine) {
	s := e.start(t)
	get := func(tx bridge.Tx) ([]bridge.Presence, error) { return tx.Presence(agentID(1)) }
	same(t, "Presence of nobody", look(t, s, get), []bridge.Presence{})

	b := bridge.Presence{
		Agent: agentID(1), Instance: "proc_b",
		StartedAt: odd(1), HeartbeatAt: odd(2), ProgressAt: odd(3), EndedAt: odd(4),
	}
	full(t, b)
	a := bridge.Presence{Agent: agentID(1), Instance: "proc_a", StartedAt: at(5), HeartbeatAt: at(6)}
	other := bridge.Presence{Agent: agentID(2), Instance: "proc_a", HeartbeatAt: at(1)}
	put(t, s, bridge.OfAgent(agentID(1)), func(tx bridge.Tx) error {
		for _, p := range []bridge.Presence{b, a, other} {
			if err := tx.PutPresence(p); err != nil {
				return err
			}
		}
		return nil
	})
	b.StartedAt, b.HeartbeatAt, b.ProgressAt, b.EndedAt = at(1), at(2), at(3), at(4)
	same(t, "Presence", look(t, s, get), []bridge.Presence{a, b})

	b = bridge.Presence{Agent: agentID(1), Instance: "proc_b", HeartbeatAt: at(9)}
	put(t, s, bridge.OfAgent(agentID(1)), func(tx bridge.Tx) error { return tx.PutPresence(b) })
	same(t, "Presence after a second PutPresence", look(t, s, get), []bridge.Presence{a, b})
}

func dropPresence(t *testing.T, e Engine) {
	s := e.start(t)
	put(t, s, bridge.Deployment, func(tx bridge.Tx) error {
		for n, p := range []bridge.Presence{{Agent: agentID(1)}, {Agent: agentID(2)}, {Agent: agentID(1)}, {Agent: agentID(2)}} {
			p.Instance, p.HeartbeatAt = bridge.Instance("proc_"+string(rune('a'+n))), at(n)
			if err := tx.PutPresence(p); err != nil {
				return err
			}
		}
		return tx.DropPresence(at(2))
	})
	instance := pluck(func(p bridge.Presence) bridge.Instance { return p.Instance })
	for n, want := range map[int]bridge.Instance{1: "proc_c", 2: "proc_d"} { // proc_c was heard at that very moment
		got := look(t, s, func(tx bridge.Tx) ([]bridge.Instance, error) { return instance(tx.Presence(agentID(n))) })
		same(t, "Presence after DropPresence", got, []bridge.Instance{want})
	}
}

// touch moves heartbeats on, one each, as the sweep does.
func touch(t *testing.T, s bridge.Store, agent bridge.AgentID, instance bridge.Instance, times ...time.Time) {
	t.Helper()
	for _, at := range times {
		if err := s.Jot(t.Context(), bridge.Deployment, func(tx bridge.Tx) error { return tx.TouchPresence(agent, instance, at) }); err != nil {
			t.Fatalf("Jot = %v", err)
		}
	}
}

func touchPresence(t *testing.T, e Engine) {
	s := e.start(t)
	get := func(tx bridge.Tx) ([]bridge.Presence, error) { return tx.Presence(agentID(1)) }
	a := bridge.Presence{Agent: agentID(1), Instance: "proc_a", StartedAt: at(1), HeartbeatAt: at(2), ProgressAt: at(3), EndedAt: at(4)}
	b := bridge.Presence{Agent: agentID(1), Instance: "proc_b", StartedAt: at(1), HeartbeatAt: at(2), EndedAt: at(4)}
	never := bridge.Presence{Agent: agentID(1), Instance: "proc_d", StartedAt: at(1)} // its heartbeat is zero
	put(t, s, bridge.OfAgent(agentID(1)), func(tx bridge.Tx) error {
		return first(func() error { return tx.PutPresence(a) }, func() error { return tx.PutPresence(b) }, func() error { return tx.PutPresence(never) })
	})

	touch(t, s, agentID(1), "proc_a", odd(7))
	a.HeartbeatAt, a.EndedAt = at(7), time.Time{} // and it started and progressed when it did
	c := bridge.Presence{Agent: agentID(1), Instance: "proc_c", StartedAt: at(5), HeartbeatAt: at(5)}
	touch(t, s, agentID(1), "proc_c", at(5))
	touch(t, s, agentID(2), "proc_a", at(9)) // another agent's
	touch(t, s, agentID(1), "proc_d", at(6))
	never.HeartbeatAt = at(6)
	same(t, "Presence after TouchPresence", look(t, s, get), []bridge.Presence{a, b, c, never})

	touch(t, s, agentID(1), "proc_a", at(6), at(7), at(3))
	touch(t, s, agentID(1), "proc_b", at(3)) // seen before it ended, and told after
	b.HeartbeatAt = at(3)
	same(t, "Presence after TouchPresence of earlier times", look(t, s, get), []bridge.Presence{a, b, c, never})

	touch(t, s, agentID(1), "proc_a", time.Time{})
	same(t, "Presence after TouchPresence of no time", look(t, s, get), []bridge.Presence{a, b, c, never})
}

// touchBeside touches an instance in the deployment's scope while its agent reads and writes its presence in its own. Neither may
// wait for ever, touching changes no progress, and the last heartbeat is there in the end.
func touchBeside(t *testing.T, e Engine) {
	s := e.start(t)
	const rounds = 30
	get := func(tx bridge.Tx) ([]bridge.Presence, error) { return tx.Presence(agentID(1)) }
	put(t, s, bridge.OfAgent(agentID(1)), func(tx bridge.Tx) error {
		return tx.PutPresence(bridge.Presence{Agent: agentID(1), Instance: "proc_a", StartedAt: at(0), HeartbeatAt: at(0), ProgressAt: at(0)})
	})
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := range rounds {
			if err := s.Jot(t.Context(), bridge.Deployment, func(tx bridge.Tx) error { return tx.TouchPresence(agentID(1), "proc_a", at(100+n)) }); err != nil {
				t.Errorf("Jot = %v", err)
			}
		}
	})
	wg.Go(func() {
		for range rounds {
			if err := s.Jot(t.Context(), bridge.OfAgent(agentID(1)), func(tx bridge.Tx) error {
				all, err := tx.Presence(agentID(1))
				if err != nil {
					return err
				}
				p := all[0]
				p.ProgressAt = p.ProgressAt.Add(time.Second)
				return tx.PutPresence(p)
			}); err != nil {
				t.Errorf("Jot = %v", err)
			}
		}
	})
	wg.Wait()
	touch(t, s, agentID(1), "proc_a", at(200))
	same(t, "Presence", look(t, s, get), []bridge.Presence{
		{Agent: agentID(1), Instance: "proc_a", StartedAt: at(0), HeartbeatAt: at(200), ProgressAt: at(rounds)},
	})
}
