package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"agentbridge/internal/workload"
)

// million compares send and check in a store that holds a million messages, all of them in the conversation that talks, with an empty one, in turns.
func (b *bench) million(ctx context.Context) error {
	stored := b.some(1_000_000)
	empty, err := b.aside(ctx, "empty", 0)
	if err != nil {
		return err
	}
	full, err := b.aside(ctx, "full", stored)
	if err != nil {
		return err
	}
	var send, check [2]workload.Sample
	var pairs [2][2]*workload.Player
	for i, part := range []*bench{empty, full} {
		for j, name := range []string{"alpha", "beta"} {
			if pairs[i][j], err = part.program.Play(ctx, name); err != nil {
				return err
			}
			defer pairs[i][j].Leave()
		}
	}
	for round := range b.some(1500) {
		for i := range pairs {
			alpha, beta := pairs[i][0], pairs[i][1]
			// A check acks the batch before, and leases the one message.
			if err := errors.Join(
				send[i].Time(func() error { _, err := alpha.Send(ctx, text, fmt.Sprint("round-", round)); return err }),
				check[i].Time(func() error {
					res, err := beta.Check(ctx, 0)
					if err == nil && len(res.Messages) != 1 {
						err = fmt.Errorf("a check gave %d messages", len(res.Messages))
					}
					return err
				}),
			); err != nil {
				return err
			}
		}
	}
	info, err := os.Stat(filepath.Join(full.program.Data, "bridge.db"))
	if err != nil {
		return err
	}
	for _, m := range []struct {
		what string
		took [2]workload.Sample
	}{{"send", send}, {"check_messages that acks one and gets one", check}} {
		p50, base := m.took[1].At(.5), m.took[0].At(.5)
		ratio := float64(p50) / float64(base)
		b.rows = append(b.rows, row{
			fmt.Sprintf("%s over stdio beside %d messages (%.1f GB), p50", m.what, stored, float64(info.Size())/1e9),
			fmt.Sprintf("%s (p99 %s), %.2f × the floor", ms(p50), ms(m.took[1].At(.99)), ratio),
			fmt.Sprintf("an empty store: %s (p99 %s)", ms(base), ms(m.took[0].At(.99))), "≤ 1.2 × an empty store", ratio <= 1.2,
		})
	}
	return nil
}

// aside makes a store of two agents who met and said something, and puts so many further messages into their conversation: acked, with their
// entries in the log.
func (b *bench) aside(ctx context.Context, name string, messages int) (*bench, error) {
	part := *b
	part.program.Data = filepath.Join(b.program.Data, name)
	if err := os.Mkdir(part.program.Data, 0o700); err != nil {
		return nil, err
	}
	alpha, beta, err := part.pair(ctx)
	if err != nil {
		return nil, err
	}
	_, err = alpha.Send(ctx, text, "first")
	for more := err == nil; more; {
		got, fault := beta.Check(ctx, 0)
		more, err = len(got.Messages) > 0 && fault == nil, fault
	}
	if err := errors.Join(err, alpha.Leave(), beta.Leave()); err != nil || messages == 0 {
		return &part, err
	}
	return &part, errors.Join(part.grow(ctx, messages), part.fill(ctx, messages))
}

// fill puts rows of messages and deliveries into the store that are like those which are there, under ids of their own: to send them would take long and show
// nothing else. Ids are random, as the program's are, so that their index is as it would be.
func (b *bench) fill(ctx context.Context, n int) error {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(b.program.Data, "bridge.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		return err
	}
	defer db.Close()
	const count = "WITH RECURSIVE count(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM count WHERE i < ?) "
	for _, table := range []struct{ name, changed, to string }{
		{"messages", "id", "'msg_' || lower(hex(randomblob(8)))"},
		{"deliveries", "message", "(SELECT m.id FROM messages m WHERE m.conversation = t.conversation AND m.seq = t.seq + i)"},
	} {
		columns, err := columnsOf(ctx, db, table.name)
		if err != nil {
			return err
		}
		var values []string
		for _, c := range columns {
			switch c {
			case "seq":
				values = append(values, "t.seq + i")
			case table.changed:
				values = append(values, table.to)
			default:
				values = append(values, `t."`+c+`"`)
			}
		}
		_, err = db.ExecContext(ctx, count+"INSERT INTO "+table.name+" ("+quoted(columns, ",")+") SELECT "+strings.Join(values, ", ")+
			" FROM count, (SELECT * FROM "+table.name+" ORDER BY seq DESC LIMIT 1) t", n)
		if err != nil {
			return fmt.Errorf("fill %s: %w", table.name, err)
		}
	}
	_, err = db.ExecContext(ctx, "UPDATE conversations SET last_seq = last_seq + ?", n)
	if err == nil {
		_, err = db.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	}
	return err
}

func columnsOf(ctx context.Context, db *sql.DB, table string) (columns []string, err error) {
	rows, err := db.QueryContext(ctx, "SELECT name FROM pragma_table_info(?)", table)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		columns = append(columns, name)
	}
	return columns, rows.Err()
}
