package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"agentbridge/internal/audit"
	"agentbridge/internal/bridge"
	"agentbridge/internal/workload"
)

// audit measures what an entry adds to the commit it rides on, and how long the program verifies a log of a million.
func (b *bench) audit(ctx context.Context) error {
	alpha, beta, err := b.pair(ctx)
	if err != nil {
		return err
	}
	_, err = alpha.Send(ctx, text, "")
	if err := errors.Join(err, alpha.Leave(), beta.Leave()); err != nil {
		return err
	}
	if err := b.append(ctx); err != nil {
		return err
	}
	return b.verify(ctx)
}

// append compares, in turns, commits of a message with and without its entry. The one with it also does what the program does for it:
// reads the head, encodes the entry, and hashes it into the head.
func (b *bench) append(ctx context.Context) error {
	with, err := openCommits(ctx, b.program.Data, "with", newMessage, newDelivery, newEntry)
	if err != nil {
		return err
	}
	defer with.close()
	without, err := openCommits(ctx, b.program.Data, "without", newMessage, newDelivery)
	if err != nil {
		return err
	}
	defer without.close()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(b.program.Data, "bridge.db"))
	if err != nil {
		return err
	}
	defer db.Close()
	l, err := openLog(ctx, db)
	if err != nil {
		return err
	}
	head, err := l.head.MarshalBinary()
	if err != nil {
		return err
	}
	var more, less workload.Sample
	for range b.some(4000) {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := more.Time(func() error {
			var h audit.Head
			if err := h.UnmarshalBinary(head); err != nil {
				return err
			}
			e := l.last
			e.N = h.Size
			h = h.Append(e.Record())
			var err error
			if head, err = h.MarshalBinary(); err != nil {
				return err
			}
			return with.commit(ctx)
		})
		if err := errors.Join(err, less.Time(func() error { return without.commit(ctx) })); err != nil {
			return err
		}
	}
	added := more.At(0.5) - less.At(0.5)
	b.rows = append(b.rows, row{
		"what an audit entry adds to a durable commit, p50", fmt.Sprintf("%d µs", added.Microseconds()),
		fmt.Sprintf("commit without it: %s", ms(less.At(0.5))), "≤ 150 µs", added <= 150*time.Microsecond,
	})
	return nil
}

// verify has the program verify a store with a log of a million, beside a plain SELECT of the same records.
func (b *bench) verify(ctx context.Context) error {
	n := 1_000_000
	if b.quick {
		n = 50_000
	}
	if err := b.grow(ctx, n); err != nil {
		return fmt.Errorf("grow the log: %w", err)
	}
	var verified, read workload.Sample
	for range 3 {
		err := verified.Time(func() error {
			if out, err := b.program.Command("audit", "verify", "--json").Output(); err != nil {
				return fmt.Errorf("audit verify: %w: %s", err, out)
			}
			return nil
		})
		if err := errors.Join(err, read.Time(func() error { return b.readEntries(ctx, n) })); err != nil {
			return err
		}
	}
	p50 := verified.At(0.5)
	b.rows = append(b.rows, row{
		fmt.Sprintf("audit verify of %d entries, a process of its own, p50 of 3", n), fmt.Sprintf("%.2f s", p50.Seconds()),
		fmt.Sprintf("the same records read from SQLite: %.2f s", read.At(0.5).Seconds()), "≤ 10 s", p50 <= 10*time.Second,
	})
	return nil
}

// entryLog is the log of a store's only conversation.
type entryLog struct {
	name string
	head audit.Head
	last audit.Entry
}

func openLog(ctx context.Context, db *sql.DB) (l entryLog, err error) {
	var head, record []byte
	err = db.QueryRowContext(ctx, "SELECT id, head FROM conversations").Scan(&l.name, &head)
	if err != nil {
		return l, err
	}
	// The last of a message: what a log is full of.
	err = db.QueryRowContext(ctx, "SELECT record FROM entries WHERE log = ? AND action = 'send' ORDER BY n DESC LIMIT 1", l.name).Scan(&record)
	if err != nil {
		return l, err
	}
	if l.last, err = audit.ParseRecord(record); err != nil {
		return l, err
	}
	return l, l.head.UnmarshalBinary(head)
}

// grow adds entries to the conversation's log, as if so many messages had been sent: to send them would take long and show nothing else.
func (b *bench) grow(ctx context.Context, n int) (err error) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(b.program.Data, "bridge.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		return err
	}
	defer db.Close()
	l, err := openLog(ctx, db)
	if err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after a commit it does nothing
	// In statements of many rows: the cost of one is mostly its own.
	const batch = 200
	insert, err := tx.PrepareContext(ctx, "INSERT INTO entries (log, n, at, actor, action, record) VALUES "+strings.TrimSuffix(strings.Repeat("(?,?,?,?,?,?),", batch), ","))
	if err != nil {
		return err
	}
	tell := progress("%d of %d entries", n)
	var values []any
	for i := range n {
		e := l.last
		e.N, e.At, e.Subject = l.head.Size, e.At.Add(time.Duration(i)*time.Millisecond), fmt.Sprintf("msg_%016x", i)
		record := e.Record()
		l.head = l.head.Append(record)
		values = append(values, e.Log, e.N, e.At.UnixMicro(), e.Actor, e.Action, record)
		if (i+1)%batch == 0 {
			if _, err := insert.ExecContext(ctx, values...); err != nil {
				return err
			}
			values = values[:0]
		}
		if tell != nil && (i+1)%10_000 == 0 {
			tell(i + 1)
		}
	}
	head, err := l.head.MarshalBinary()
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "UPDATE conversations SET head = ? WHERE id = ?", head, l.name); err != nil {
		return err
	}
	return tx.Commit()
}

// readEntries is the floor of a verification.
func (b *bench) readEntries(ctx context.Context, least int) error {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(b.program.Data, "bridge.db"))
	if err != nil {
		return err
	}
	defer db.Close()
	rows, err := db.QueryContext(ctx, "SELECT record FROM entries WHERE log <> ? ORDER BY log, n", bridge.DeploymentLog)
	if err != nil {
		return err
	}
	defer rows.Close()
	n := 0
	var record sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&record); err != nil {
			return err
		}
		n++
	}
	if n < least {
		return errors.Join(rows.Err(), fmt.Errorf("%d entries are there, want %d", n, least))
	}
	return rows.Err()
}
