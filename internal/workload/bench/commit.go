package main

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // the driver that the product uses
)

// commits is the other half of a floor: one transaction that writes the rows that a call writes, and nothing else, from
// statements prepared once, on a copy of the store beside the original.
type commits struct {
	conn   *sql.Conn
	db     *sql.DB
	tables []clone
	n      int64
}

// clone writes a table's newest row again, as it is or with its key moved on.
type clone struct {
	stmt   *sql.Stmt
	values []any
	key    []int // which values are moved on
}

// written is a table that a transaction writes: a new row like its newest, or the newest again.
type written struct {
	table string
	where string   // finds the newest row
	key   []string // of a new row, the columns that are moved on; empty: the row itself is written again
}

// What transactions write. The conversation's row goes with all of them.
var (
	newMessage       = written{"messages", "ORDER BY seq DESC LIMIT 1", []string{"seq", "id"}}
	newDelivery      = written{"deliveries", "ORDER BY seq DESC LIMIT 1", []string{"seq"}}
	newEntry         = written{"entries", "WHERE log LIKE 'conv_%' ORDER BY n DESC LIMIT 1", []string{"n"}}
	sameTask         = written{table: "tasks", where: "ORDER BY n DESC LIMIT 1"}
	sameConversation = written{table: "conversations", where: "LIMIT 1"}
)

// openCommits copies the store, in which each of these was written before, with SQLite's own means. The name tells copies apart.
func openCommits(ctx context.Context, data, name string, writes ...written) (*commits, error) {
	copied := filepath.Join(data, name+"-floor.db")
	if err := vacuumInto(ctx, filepath.Join(data, "bridge.db"), copied); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", "file:"+copied+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=wal_autocheckpoint(1000)")
	if err != nil {
		return nil, err
	}
	c := &commits{db: db}
	if c.conn, err = db.Conn(ctx); err != nil {
		return nil, err
	}
	for _, w := range append(writes, sameConversation) {
		cl, err := c.clone(ctx, w)
		if err != nil {
			return nil, err
		}
		c.tables = append(c.tables, cl)
	}
	return c, nil
}

func vacuumInto(ctx context.Context, from, to string) error {
	db, err := sql.Open("sqlite", "file:"+from)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, "VACUUM INTO ?", to)
	return err
}

// row reads one row with its columns' names.
func (c *commits) row(ctx context.Context, table, where string) (columns []string, values []any, err error) {
	rows, err := c.conn.QueryContext(ctx, "SELECT * FROM "+table+" "+where)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	if columns, err = rows.Columns(); err != nil {
		return nil, nil, err
	}
	if !rows.Next() {
		return nil, nil, fmt.Errorf("table %s is empty", table)
	}
	values = make([]any, len(columns))
	targets := make([]any, len(columns))
	for i := range values {
		targets[i] = &values[i]
	}
	return columns, values, rows.Scan(targets...)
}

func (c *commits) clone(ctx context.Context, w written) (cl clone, err error) {
	columns, values, err := c.row(ctx, w.table, w.where)
	if err != nil {
		return cl, err
	}
	cl.values = values
	for i, name := range columns {
		for _, k := range w.key {
			if name == k {
				cl.key = append(cl.key, i)
			}
		}
	}
	marks := strings.TrimSuffix(strings.Repeat("?,", len(columns)), ",")
	text := "INSERT INTO " + w.table + " (" + quoted(columns, ",") + ") VALUES (" + marks + ")"
	if len(w.key) == 0 {
		// Each table that is written again has its key in front: one column or two.
		cl.values = append(values, values[0], values[1])
		text = "UPDATE " + w.table + " SET " + quoted(columns, "=?,") + "=? WHERE " + columns[0] + " = ? AND " + columns[1] + " IS ?"
	}
	cl.stmt, err = c.conn.PrepareContext(ctx, text)
	return cl, err
}

// quoted joins columns, some of which are named like words of SQL.
func quoted(columns []string, sep string) string {
	return `"` + strings.Join(columns, `"`+sep+`"`) + `"`
}

// commit writes the rows once more and waits for the disk.
func (c *commits) commit(ctx context.Context) error {
	c.n++
	if _, err := c.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	for _, t := range c.tables {
		values := append([]any(nil), t.values...)
		for _, i := range t.key {
			if n, ok := values[i].(int64); ok {
				values[i] = n + c.n
			} else {
				values[i] = fmt.Sprintf("msg_%016x", c.n)
			}
		}
		if _, err := t.stmt.ExecContext(ctx, values...); err != nil {
			return err
		}
	}
	_, err := c.conn.ExecContext(ctx, "COMMIT")
	return err
}

func (c *commits) close() {
	c.conn.Close()
	c.db.Close()
}
