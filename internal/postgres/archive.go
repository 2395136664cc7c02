package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"agentbridge/internal/archive"
	"agentbridge/internal/bridge"
)

// dumpPatience is for the one trip in which a table is read, however large it is.
const dumpPatience = time.Hour

// kept is a table with the types of its columns.
type kept struct {
	archive.Table
	types []string
}

// Dump gives all rows as of one moment, table by table. Others write meanwhile.
func (s *Store) Dump(ctx context.Context, table func(archive.Table) error, each func([]any) error) error {
	return s.View(ctx, func(seam bridge.Tx) error {
		t := seam.(*tx)
		patience := t.c.patience
		t.c.patience = dumpPatience
		defer func() { t.c.patience = patience }()
		tables, err := t.tables()
		if err != nil {
			return err
		}
		for _, at := range tables {
			if err := table(at.Table); err != nil {
				return err
			}
			values, failed := make([]any, len(at.Columns)), error(nil)
			err := t.query("read "+at.Name, func(r *row) {
				if failed == nil && ctx.Err() == nil {
					for i, b := range r.values {
						values[i] = value(at.types[i], b)
					}
					failed = each(values)
				}
			}, fmt.Sprintf("SELECT %s FROM %s", quotedNames(at.Columns), quotedNames([]string{at.Name})))
			if err == nil {
				err = failed
			}
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// value is a column's value, of the types that columns have.
func value(kind string, b []byte) any {
	switch {
	case b == nil:
		return nil
	case kind == "bigint":
		return number(b)
	case kind == "bytea":
		return append([]byte{}, b...)
	}
	return string(b)
}

// loadBatch is how many rows travel to the server at once.
const loadBatch = 500

// Load puts rows into a store that has none, all or nothing. give calls table and row for each; it may be called again. Tables that this
// program does not know, or knows otherwise, are [archive.Unknown]; a store that holds anything is [archive.Held].
func (s *Store) Load(ctx context.Context, give func(table func(archive.Table) error, row func([]any) error) error) error {
	return s.Update(ctx, bridge.Deployment, func(seam bridge.Tx) error {
		t := seam.(*tx)
		tables, err := t.tables()
		if err != nil {
			return err
		}
		known := map[string]archive.Table{}
		for _, at := range tables {
			known[at.Name] = at.Table
			held := false
			if err := t.query("look at "+at.Name, func(*row) { held = true }, "SELECT 1::bigint FROM "+quotedNames([]string{at.Name})+" LIMIT 1"); err != nil {
				return err
			}
			if held {
				return archive.Held
			}
		}
		var insert string
		return give(func(at archive.Table) error {
			if !known[at.Name].Same(at) {
				return archive.Foreign(at)
			}
			var places []string
			for i := range at.Columns {
				places = append(places, "$"+strconv.Itoa(i+1))
			}
			insert = fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", quotedNames([]string{at.Name}), quotedNames(at.Columns), strings.Join(places, ", "))
			return nil
		}, func(row []any) error {
			if err := t.exec("load a row", insert, row...); err != nil {
				return err
			}
			if len(t.c.held) >= loadBatch {
				t.flush()
			}
			return t.lost
		})
	})
}

// Mark says of the store that it is being moved, or was ([bridge.StoreMoving], [bridge.StoreMoved]), and where to: from then on no process
// writes to it, but one that opened it with Options.Moving while it is being moved. 0 takes that back.
func (s *Store) Mark(ctx context.Context, as int64, where string) error {
	err := s.Update(ctx, bridge.Deployment, func(seam bridge.Tx) error {
		t := seam.(*tx)
		err := t.PutMeta(bridge.MetaMovedTo, []byte(where))
		if err == nil {
			err = t.exec("mark the store", `DELETE FROM agentbridge WHERE schema >= $1`, bridge.StoreMoving)
		}
		if err == nil && as != 0 {
			err = t.exec("mark the store", `INSERT INTO agentbridge (schema) VALUES ($1)`, as)
		}
		return err
	})
	if err != nil {
		return err
	}
	// Updates that read the version before are waited for: each holds the table it read.
	c, err := s.pool.get(ctx, asking)
	if err != nil {
		return failure("wait for updates", err)
	}
	defer func() { s.pool.put(c, asking) }()
	return failure("wait for updates", c.script(`BEGIN; LOCK TABLE agentbridge IN ACCESS EXCLUSIVE MODE; COMMIT`))
}

// tables are those whose rows are the bridge's, by name. The others hold what is the engine's own.
func (t *tx) tables() (list []kept, err error) {
	const read = `SELECT c.relname::text, a.attname::text, a.atttypid::regtype::text
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
		WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
			AND c.relname NOT IN ('agentbridge', 'scopes', 'processes')
		ORDER BY c.relname COLLATE "C", a.attnum`
	err = t.query("list tables", func(r *row) {
		name, column, kind := r.text(), r.text(), r.text()
		if len(list) == 0 || list[len(list)-1].Name != name {
			list = append(list, kept{Table: archive.Table{Name: name}})
		}
		at := &list[len(list)-1]
		at.Columns, at.types = append(at.Columns, column), append(at.types, kind)
	}, read)
	return list, err
}

func quotedNames(names []string) string {
	return `"` + strings.Join(names, `", "`) + `"`
}
