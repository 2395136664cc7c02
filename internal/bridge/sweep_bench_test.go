package bridge_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/redact"
	"agentbridge/internal/sqlite"
)

// worker is a fleet's n-th agent.
func worker(n int) (name string, agent bridge.AgentID) {
	return fmt.Sprintf("worker%04d", n), bridge.AgentID(fmt.Sprintf("agent_%016x", n))
}

// fleet opens a store on disk, with a bridge, where conversations of so many workers each have tasks in each state. Rows are written past the rules, for speed.
func fleet(b *testing.B, conversations, workers int, counts map[bridge.TaskState]int) (*bridge.Service, bridge.Store) {
	b.Helper()
	store, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "bridge.db"), sqlite.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { store.Close() })
	scanner, err := redact.New(redact.Options{})
	if err != nil {
		b.Fatal(err)
	}
	svc, err := bridge.New(b.Context(), store, bridge.Options{Keys: bridge.NewKeyRing(), Scanner: scanner})
	if err != nil {
		b.Fatal(err)
	}
	for n := range conversations {
		id := bridge.ConversationID(fmt.Sprintf("conv_%016x", n))
		err := store.Update(b.Context(), bridge.InConversation(id), func(tx bridge.Tx) error {
			now := tx.Now()
			c := bridge.Conversation{ID: id, CreatedAt: now, ExpiresAt: now.Add(24 * time.Hour), DueAt: now.Add(23 * time.Hour), Key: make([]byte, 32)}
			if err := tx.PutConversation(c); err != nil {
				return err
			}
			for i := range workers {
				name, agent := worker(n*workers + i)
				if err := tx.PutMember(bridge.Member{Conversation: id, Name: name, Rank: bridge.Worker, Agent: agent, InvitedAt: now, JoinedAt: now}); err != nil {
					return err
				}
				if err := tx.PutPresence(bridge.Presence{Agent: agent, Instance: bridge.Instance(fmt.Sprintf("tok_%d", n*workers+i)), StartedAt: now, HeartbeatAt: now.Add(time.Hour), ProgressAt: now.Add(time.Hour)}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
		number := int64(0)
		for state, count := range counts {
			for left := count; left > 0; {
				err := store.Update(b.Context(), bridge.InConversation(id), func(tx bridge.Tx) error {
					for range min(left, 1000) {
						number, left = number+1, left-1
						name, agent := worker(n*workers + int(number)%workers)
						t := bridge.Task{
							Conversation: id, ID: bridge.TaskID(fmt.Sprintf("task_%016x", number)), N: number, Title: "a title as long as titles are", Detail: "what is to be done, in a sentence or two that say where to look",
							Lease: 24 * time.Hour, AddedBy: name, AddedAt: tx.Now(), State: state, ChangedAt: tx.Now(), Reassign: true,
						}
						if state != bridge.TaskOpen {
							t.Holder, t.Agent, t.Fence, t.LeasedAt, t.Attempts = name, agent, number, tx.Now(), 1
							t.Instance = bridge.Instance(fmt.Sprintf("tok_%d", n*workers+int(number)%workers))
						} else if number%2 == 0 {
							t.AssignTo = name
						}
						if err := tx.AddTask(t); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	return svc, store
}

// BenchmarkSweep is one pass where nothing is to be done, over tasks that wait, are held, and have ended.
func BenchmarkSweep(b *testing.B) {
	for _, c := range []struct{ open, claimed, done int }{
		{0, 0, 0}, {10_000, 50, 0}, {10_000, 50, 50_000}, {0, 10_000, 0},
	} {
		b.Run(fmt.Sprintf("open=%d/claimed=%d/ended=%d", c.open, c.claimed, c.done), func(b *testing.B) {
			svc, _ := fleet(b, 1, 50, map[bridge.TaskState]int{bridge.TaskOpen: c.open, bridge.TaskClaimed: c.claimed, bridge.TaskDone: c.done})
			sweeps(b, svc)
		})
	}
}

// sweeps measures sweeps, and tells the median and the longest.
func sweeps(b *testing.B, svc *bridge.Service) {
	b.Helper()
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		rep, err := svc.Sweep(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if rep.Beats = 0; rep != (bridge.SweepReport{}) {
			b.Fatalf("Sweep = %+v", rep)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-p50")
	b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "ms-max")
}

// BenchmarkSweep_OfAHub is one pass of a hub to which a thousand idle agents are connected, two in a conversation. Every one is five
// seconds of its life.
func BenchmarkSweep_OfAHub(b *testing.B) {
	svc, store := fleet(b, 0, 0, nil)
	for n := range 500 {
		id := bridge.ConversationID(fmt.Sprintf("conv_%016x", n))
		var members []bridge.Member
		for _, name := range []string{"alpha", "beta"} {
			token, agent, err := svc.NewAgent(b.Context(), name, false)
			if err != nil {
				b.Fatal(err)
			}
			caller, err := svc.Authenticate(b.Context(), token, bridge.Origin{})
			if err != nil {
				b.Fatal(err)
			}
			defer svc.Attend(caller)()
			members = append(members, bridge.Member{Conversation: id, Name: name, Rank: bridge.Peer, Agent: agent.ID, InvitedAt: agent.CreatedAt, JoinedAt: agent.CreatedAt})
		}
		if err := store.Update(b.Context(), bridge.InConversation(id), func(tx bridge.Tx) error {
			c := bridge.Conversation{ID: id, CreatedAt: tx.Now(), ExpiresAt: tx.Now().Add(24 * time.Hour), DueAt: tx.Now().Add(23 * time.Hour), Key: make([]byte, 32)}
			if err := tx.PutConversation(c); err != nil {
				return err
			}
			for _, m := range members {
				if err := tx.PutMember(m); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
	sweeps(b, svc)
}

// BenchmarkSweep_OfIdleMembers is one pass over members that make no progress, all but a few, and are assigned half of the tasks that wait.
func BenchmarkSweep_OfIdleMembers(b *testing.B) {
	const workers, busy = 50, 5
	svc, store := fleet(b, 1, workers, map[bridge.TaskState]int{bridge.TaskOpen: 10_000})
	if err := store.Update(b.Context(), bridge.Deployment, func(tx bridge.Tx) error {
		now := tx.Now()
		for n := busy; n < workers; n++ {
			_, agent := worker(n)
			past := now.Add(-time.Hour)
			if err := tx.PutPresence(bridge.Presence{Agent: agent, Instance: bridge.Instance(fmt.Sprintf("tok_%d", n)), StartedAt: past, HeartbeatAt: now.Add(time.Hour), ProgressAt: past}); err != nil {
				return err
			}
		}
		return tx.PutMeta("watch", fmt.Appendf(nil, `{"at":%q}`, now.Format(time.RFC3339Nano))) // as if watched all the hour
	}); err != nil {
		b.Fatal(err)
	}
	sweeps(b, svc)
}
