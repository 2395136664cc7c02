package sqlite

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

// furnishTasks adds tasks to the conversation, with details of so many characters: open ones, a tenth of them for beta, before ones
// that have ended, which come after each other in tens.
func furnishTasks(b *testing.B, s *Store, open, ended, detail int) {
	b.Helper()
	if err := s.writer.script(fmt.Sprintf(`
		BEGIN;
		CREATE TEMP TABLE old AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %[1]d + %[2]d)
			SELECT i, 'task_' || format('%%016x', (i * 2654435761) %% 4294967296) AS id, i <= %[1]d AS open FROM n;
		INSERT INTO tasks (conversation, n, id, title, priority, blockers, assign_to, reassign, lease, added_by, added_at, digest, redacted,
				state, changed_at, attempts, ended, holder, agent, instance, fence, leased_at, files, after, detail, result)
			SELECT '%[3]s', i, id, 'the title of a task', i * 7919 %% 11, 0, iif(i %% 10 = 0, 'beta', ''), 1, 1800000000, 'alpha', 0, hex(zeroblob(16)), 0,
				iif(open, 'open', 'done'), 0, NOT open, '', iif(open, '', 'beta'), iif(open, '', '%[4]s'), iif(open, '', 'proc_1'), iif(open, 0, i), iif(open, NULL, 0),
				NULL, NULL, hex(zeroblob(%[5]d / 2)), iif(open, '', hex(zeroblob(100)))
			FROM old;
		INSERT INTO task_after SELECT '%[3]s', 'task_' || format('%%016x', (i / 10 * 10 * 2654435761) %% 4294967296), i FROM old WHERE i > 10 AND i %% 10 > 0;
		UPDATE conversations SET last_task = %[1]d + %[2]d, last_fence = %[1]d + %[2]d;
		DROP TABLE old;
		COMMIT;`, open, ended, room, beta, detail)); err != nil {
		b.Fatal(err)
	}
}

// claimed changes the best task for alpha about as the rules do for one claim: 7 reads and 4 writes. With again it gives it back.
func claimed(task *bridge.TaskID, again bool) func(tx bridge.Tx) error {
	return func(tx bridge.Tx) error {
		account := bridge.Account{Conversation: room, Holder: "alpha", Kind: bridge.Write}
		_, err1 := tx.Token("alpha")
		c, err2 := tx.Conversation(room)
		_, err3 := tx.Members(room)
		_, err4 := tx.Leases(room)
		n, _, err5 := tx.Charges(account, 100, 500, 2000)
		if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
			return err
		}
		var k bridge.Task
		if again {
			var err error
			if k, err = tx.Task(room, *task); err != nil {
				return err
			}
			k.State, k.ChangedAt = bridge.TaskOpen, tx.Now()
		} else {
			best, err := tx.Ready(room, "alpha", 1)
			if err != nil {
				return err
			}
			k = best[0]
			*task = k.ID
			c.LastFence++
			k.State, k.ChangedAt, k.LeasedAt, k.Fence, k.Attempts = bridge.TaskClaimed, tx.Now(), tx.Now(), c.LastFence, k.Attempts+1
			k.Holder, k.Agent, k.Instance = "alpha", alpha, "proc_1"
		}
		if _, err := tx.Dependents(room, k.ID); err != nil {
			return err
		}
		c.LastSeq++
		c.SeenAt = tx.Now()
		return errors.Join(
			tx.Charge(account, n, 2000),
			tx.PutTask(k),
			tx.AddEntry(bridge.LogEntry{Log: string(room), N: c.LastSeq, At: tx.Now(), Actor: "alpha", Action: "task_claim", Record: make([]byte, 200)}),
			tx.PutConversation(c))
	}
}

// BenchmarkClaim gives the medians of looking for a task, of claiming it and of giving it back, alone, among more and more tasks.
func BenchmarkClaim(b *testing.B) {
	for _, c := range []struct{ open, ended, detail int }{{1, 0, 200}, {10_000, 50_000, 200}, {100, 0, 50_000}} {
		b.Run(fmt.Sprintf("open=%d,ended=%d,detail=%d", c.open, c.ended, c.detail), func(b *testing.B) {
			s, err := Open(b.Context(), filepath.Join(b.TempDir(), "bridge.db"), Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			furnish(b, s, 0)
			furnishTasks(b, s, c.open, c.ended, c.detail)
			var readies, alls, counts, claims, insides, releases []time.Duration
			var task bridge.TaskID
			look := func(all *[]time.Duration, read func(tx bridge.Tx) error) {
				if err := s.View(b.Context(), func(tx bridge.Tx) error {
					start := time.Now()
					defer func() { *all = append(*all, time.Since(start)) }()
					return read(tx)
				}); err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				look(&readies, func(tx bridge.Tx) error { _, err := tx.Ready(room, "beta", 1); return err })
				look(&alls, func(tx bridge.Tx) error {
					_, err1 := tx.Leases("")
					_, err2 := tx.Seats()
					return errors.Join(err1, err2)
				})
				whole, inside := timed(b, s, claimed(&task, false))
				claims, insides = append(claims, whole), append(insides, inside)
				whole, _ = timed(b, s, claimed(&task, true))
				releases = append(releases, whole)
			}
			for range 20 { // apart, for it is the only one that grows with history, and drives the rest out of the cache
				look(&counts, func(tx bridge.Tx) error { _, err := tx.CountTasks(room); return err })
			}
			b.ReportMetric(median(readies), "µs-ready-p50")
			b.ReportMetric(median(alls), "µs-leases+seats-p50")
			b.ReportMetric(median(counts), "µs-count-p50")
			b.ReportMetric(median(claims), "µs-claim-p50")
			b.ReportMetric(median(insides), "µs-statements-p50")
			b.ReportMetric(median(releases), "µs-release-p50")
		})
	}
}
