package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strings"

	"agentbridge/internal/archive"
	"agentbridge/internal/bridge"
)

// Dump gives all rows as of one moment, table by table. Others write meanwhile.
func (s *Store) Dump(ctx context.Context, table func(archive.Table) error, each func([]any) error) error {
	return s.View(ctx, func(seam bridge.Tx) error {
		t := seam.(*tx)
		tables, err := t.tables()
		if err != nil {
			return err
		}
		for _, at := range tables {
			if err := table(at); err != nil {
				return err
			}
			values, failed := make([]any, len(at.Columns)), error(nil)
			err := t.query("read "+at.Name, func(r *row) {
				if failed == nil && ctx.Err() == nil {
					for i := range values {
						values[i] = r.value()
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
			known[at.Name] = at
			held := false
			if err := t.query("look at "+at.Name, func(*row) { held = true }, "SELECT 1 FROM "+quotedNames([]string{at.Name})+" LIMIT 1"); err != nil {
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
			insert = fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", quotedNames([]string{at.Name}), quotedNames(at.Columns), strings.TrimSuffix(strings.Repeat("?, ", len(at.Columns)), ", "))
			return nil
		}, func(row []any) error {
			args := make([]driver.Value, len(row))
			for i, v := range row {
				args[i] = v
			}
			return t.exec("load a row", insert, args...)
		})
	})
}

// Mark says of the store that it is being moved, or was ([bridge.StoreMoving], [bridge.StoreMoved]), and where to: from then on no process
// writes to it, but one that opened it with Options.Moving while it is being moved. 0 takes that back.
func (s *Store) Mark(ctx context.Context, as int64, where string) error {
	if as == 0 {
		as = schema
	}
	return s.Update(ctx, bridge.Deployment, func(seam bridge.Tx) error {
		t := seam.(*tx)
		if err := t.PutMeta(bridge.MetaMovedTo, []byte(where)); err != nil {
			return err
		}
		return t.exec("mark the store", fmt.Sprintf("PRAGMA user_version = %d", as))
	})
}

// tables are those of the schema, by name.
func (t *tx) tables() (list []archive.Table, err error) {
	err = t.query("list tables", func(r *row) { list = append(list, archive.Table{Name: r.text()}) },
		"SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
	for i := range list {
		if err == nil {
			err = t.query("list columns", func(r *row) { list[i].Columns = append(list[i].Columns, r.text()) },
				"SELECT name FROM pragma_table_info(?) ORDER BY cid", list[i].Name)
		}
	}
	return list, err
}

func quotedNames(names []string) string {
	return `"` + strings.Join(names, `", "`) + `"`
}
