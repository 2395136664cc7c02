package workload

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"agentbridge/internal/bridge"
)

// Saturation is what is done where nothing paces the callers and no client is in between, beside the way that the seed's program works: in every
// call it opens the database, makes one transaction and closes it. All are durable messages a second.
type Saturation struct {
	Callers int
	Service float64 // so many callers at the Service
	Cycle   float64 // one of those cycles after another
	Cycles  float64 // as many callers, each in its cycles
}

func (s Saturation) String() string {
	const least = 1e-9
	return fmt.Sprintf("%d callers at the Service: %.0f durable sends/s. The seed's way, to open, commit and close in each call: %.0f/s one after another (%.1f ×), %.0f/s with %d callers (%.1f ×)",
		s.Callers, s.Service, s.Cycle, s.Service/max(s.Cycle, least), s.Cycles, s.Callers, s.Service/max(s.Cycles, least))
}

// Saturate measures callers at a service, each with a partner of its own who reads when fifty messages wait, in turns with the seed's way on a
// database of its own in the directory, so that both have the same machine.
func Saturate(ctx context.Context, svc *bridge.Service, dir string, callers int) (s Saturation, err error) {
	ours, err := serviceCalls(ctx, svc, callers)
	if err != nil {
		return s, err
	}
	cycle, err := seedCycle(ctx, dir)
	if err != nil {
		return s, err
	}
	s.Callers = callers
	const turns, span = 4, 750 * time.Millisecond
	for range turns {
		for _, side := range []struct {
			into    *float64
			callers int
			call    func(caller, n int) error
		}{{&s.Service, callers, ours}, {&s.Cycle, 1, cycle}, {&s.Cycles, callers, cycle}} {
			rate, err := saturate(ctx, side.callers, span, side.call)
			if err != nil {
				return s, err
			}
			*side.into += rate / turns
		}
	}
	return s, nil
}

// serviceCalls makes what a caller does at a service.
func serviceCalls(ctx context.Context, svc *bridge.Service, callers int) (call func(caller, n int) error, err error) {
	pairs := make([][2]bridge.Caller, callers)
	rooms := make([]bridge.ConversationID, callers)
	for i := range pairs {
		for side := range pairs[i] {
			token, _, err := svc.NewAgent(ctx, fmt.Sprintf("caller-%d-%d", i, side), true)
			if err != nil {
				return nil, err
			}
			from := bridge.Origin{Instance: bridge.Instance(fmt.Sprintf("caller-%d-%d", i, side))}
			if pairs[i][side], err = svc.Authenticate(ctx, token, from); err != nil {
				return nil, err
			}
		}
		made, err := svc.Create(ctx, pairs[i][0], bridge.CreateRequest{Role: "sends", Partners: []bridge.Partner{{Name: fmt.Sprintf("caller-%d-1", i), Role: "reads"}}})
		if err != nil {
			return nil, err
		}
		if _, err := svc.Join(ctx, pairs[i][1], bridge.JoinRequest{Code: made.Invites[0].Code}); err != nil {
			return nil, err
		}
		rooms[i] = made.Conversation
	}
	sent := make([]int, callers) // by each, over all turns
	return func(caller, _ int) error {
		n := sent[caller]
		sent[caller]++
		if _, err := svc.Send(ctx, pairs[caller][0], bridge.SendRequest{Conversation: rooms[caller], Message: stressText(n, 200), Key: fmt.Sprint(n)}); err != nil || n%50 != 49 {
			return err
		}
		got, err := svc.Check(ctx, pairs[caller][1], bridge.CheckRequest{Limit: 50})
		if err == nil {
			err = svc.Ack(ctx, pairs[caller][1], got.Receipt, bridge.Explicit)
		}
		return err
	}, nil
}

// seedCycle makes what the seed's program does in a call: it opens the database, which is SQLite with a write-ahead log, checks the sender, writes the
// message and its audit row in one transaction, and closes it again.
func seedCycle(ctx context.Context, dir string) (call func(caller, n int) error, err error) {
	file := "file:" + (&url.URL{Path: filepath.ToSlash(filepath.Join(dir, "cycle.db"))}).EscapedPath() + "?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate"
	within := func(do func(*sql.Tx) error) error {
		db, err := sql.Open("sqlite", file)
		if err != nil {
			return err
		}
		defer db.Close()
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if err := do(tx); err != nil {
			return err
		}
		return tx.Commit()
	}
	err = within(func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `CREATE TABLE conversations (id TEXT PRIMARY KEY, a TEXT, b TEXT);
			CREATE TABLE messages (id INTEGER PRIMARY KEY, conversation TEXT, sender TEXT, text TEXT, at REAL, read INTEGER DEFAULT 0);
			CREATE TABLE audit (id INTEGER PRIMARY KEY, conversation TEXT, sender TEXT, action TEXT, detail TEXT, at REAL);
			INSERT INTO conversations VALUES ('conv_0123456789abcdef', 'a', 'b')`)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("model the seed's way: %w", err)
	}
	return func(_, n int) error {
		return within(func(tx *sql.Tx) error {
			const room = "conv_0123456789abcdef"
			var a, b string
			read := tx.QueryRowContext(ctx, "SELECT a, b FROM conversations WHERE id = ?", room).Scan(&a, &b)
			_, write := tx.ExecContext(ctx, "INSERT INTO messages (conversation, sender, text, at) VALUES (?, ?, ?, 0)", room, a, stressText(n, 200))
			_, log := tx.ExecContext(ctx, "INSERT INTO audit (conversation, sender, action, detail, at) VALUES (?, ?, 'send_message', ?, 0)", room, a, `{"length": 200}`)
			return errors.Join(read, write, log)
		})
	}, nil
}

// saturate has callers call for a while, and gives the calls a second. A call that fails counts for nothing, as the store turns some away where
// many open it at once; where all fail, that is an error.
func saturate(ctx context.Context, callers int, span time.Duration, call func(caller, n int) error) (perSecond float64, err error) {
	var wg sync.WaitGroup
	var calls atomic.Int64
	faults := make([]error, callers)
	began := time.Now()
	for i := range callers {
		wg.Go(func() {
			for n := 0; time.Since(began) < span && ctx.Err() == nil; n++ {
				if err := call(i, n); err != nil {
					faults[i] = err
				} else {
					calls.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if calls.Load() == 0 {
		return 0, errors.Join(append(faults, ctx.Err())...)
	}
	return float64(calls.Load()) / time.Since(began).Seconds(), ctx.Err()
}
