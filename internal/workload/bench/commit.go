package main

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // the driver that the product uses
)

// commits is the other half of the floor: one transaction that writes the rows that a send writes, and nothing else, from
// statements prepared once, on a copy of the store beside the original.
type commits struct {
	conn   *sql.Conn
	db     *sql.DB
	tables []clone
	n      int64
}

// clone writes a table's newest row again, with its key moved on.
type clone struct {
	stmt   *sql.Stmt
	values []any
	key    []int // which values are moved on
}

// openCommits copies the store, in which at least one message was sent, with SQLite's own means.
func openCommits(ctx context.Context, data string) (*commits, error) {
	copied := filepath.Join(data, "floor.db")
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
	for _, t := range []struct {
		table, newest string
		key           []string
	}{
		{"messages", "seq", []string{"seq", "id"}},
		{"deliveries", "seq", []string{"seq"}},
		{"entries", "n", []string{"n"}},
	} {
		where := "ORDER BY " + t.newest + " DESC LIMIT 1"
		if t.table == "entries" {
			where = "WHERE log LIKE 'conv_%' " + where
		}
		cl, err := c.clone(ctx, t.table, where, t.key)
		if err != nil {
			return nil, err
		}
		c.tables = append(c.tables, cl)
	}
	update, err := c.update(ctx)
	if err != nil {
		return nil, err
	}
	c.tables = append(c.tables, update)
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

func (c *commits) clone(ctx context.Context, table, where string, key []string) (cl clone, err error) {
	columns, values, err := c.row(ctx, table, where)
	if err != nil {
		return cl, err
	}
	cl.values = values
	for i, name := range columns {
		for _, k := range key {
			if name == k {
				cl.key = append(cl.key, i)
			}
		}
	}
	marks := strings.TrimSuffix(strings.Repeat("?,", len(columns)), ",")
	cl.stmt, err = c.conn.PrepareContext(ctx, "INSERT INTO "+table+" ("+quoted(columns, ",")+") VALUES ("+marks+")")
	return cl, err
}

// quoted joins columns, some of which are named like words of SQL.
func quoted(columns []string, sep string) string {
	return `"` + strings.Join(columns, `"`+sep+`"`) + `"`
}

// update rewrites the conversation's row, as every send does.
func (c *commits) update(ctx context.Context) (cl clone, err error) {
	columns, values, err := c.row(ctx, "conversations", "LIMIT 1")
	if err != nil {
		return cl, err
	}
	cl.values = append(values, values[0])
	cl.stmt, err = c.conn.PrepareContext(ctx, "UPDATE conversations SET "+quoted(columns, "=?,")+"=? WHERE "+columns[0]+"=?")
	return cl, err
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
