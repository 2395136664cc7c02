package postgres

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// Foreign names what the schema holds that no migration made, or that one made and is not as it made it: a trigger of another hand
// can undo what is written here. It compares with temporary tables, made by the migrations and undone.
func (s *Store) Foreign(ctx context.Context) ([]string, error) {
	if !s.enter() {
		return nil, closed()
	}
	defer s.active.Done()
	c, err := s.pool.get(ctx, viewing)
	if err != nil {
		return nil, failure("read the schema", err)
	}
	defer func() { s.pool.put(c, viewing) }()
	if err := c.script(`BEGIN`); err != nil {
		return nil, failure("read the schema", err)
	}
	list, err := s.foreign(c)
	end := c.script(`ROLLBACK`)
	return list, failure("read the schema", errors.Join(err, end))
}

func (s *Store) foreign(c *conn) (list []string, err error) {
	got, err := objects(c, s.at.schema)
	if err != nil {
		return nil, err
	}
	if err := c.script(`SET LOCAL search_path = pg_temp`); err != nil {
		return nil, err
	}
	for v := range schema {
		if err := step(c, int64(v+1)); err != nil {
			return nil, err
		}
	}
	var temporary string
	if _, err := c.trip(&call{sql: `SELECT nspname::text FROM pg_catalog.pg_namespace WHERE oid = pg_catalog.pg_my_temp_schema()`, each: func(r *row) { temporary = r.text() }}); err != nil {
		return nil, err
	}
	want, err := objects(c, temporary)
	if err != nil {
		return nil, err
	}
	for _, o := range got {
		if !slices.Contains(want, o) {
			name, _, _ := strings.Cut(o, "\x00")
			list = append(list, name)
		}
	}
	for _, o := range want {
		if name, _, _ := strings.Cut(o, "\x00"); !slices.Contains(got, o) && !slices.Contains(list, name) {
			list = append(list, "no "+name)
		}
	}
	return list, nil
}

// objects are what a schema holds: of each its kind and name, and how it was made.
func objects(c *conn, name string) (list []string, err error) {
	const definitions = `
		WITH t AS (SELECT * FROM pg_catalog.pg_class WHERE relnamespace = $1::text::regnamespace)
		SELECT 'column ' || t.relname || '.' || a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull::text || ' ' || a.atthasdef::text || ' ' || a.attgenerated::text
			FROM t JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid WHERE t.relkind NOT IN ('i', 'I') AND a.attnum > 0 AND NOT a.attisdropped
		UNION ALL SELECT 'table ' || relname, relkind::text || ' ' || relrowsecurity::text FROM t WHERE relkind NOT IN ('i', 'I', 't')
		UNION ALL SELECT 'index ' || t.relname, replace(replace(pg_catalog.pg_get_indexdef(t.oid), $1::text || '.', ''), 'pg_temp.', '') FROM t WHERE relkind IN ('i', 'I')
		UNION ALL SELECT 'constraint ' || t.relname || '.' || o.conname, pg_catalog.pg_get_constraintdef(o.oid) FROM t JOIN pg_catalog.pg_constraint o ON o.conrelid = t.oid
		UNION ALL SELECT 'trigger ' || t.relname || '.' || g.tgname, '' FROM t JOIN pg_catalog.pg_trigger g ON g.tgrelid = t.oid
		UNION ALL SELECT 'rule ' || t.relname || '.' || r.rulename, '' FROM t JOIN pg_catalog.pg_rewrite r ON r.ev_class = t.oid
		UNION ALL SELECT 'function ' || p.proname, '' FROM pg_catalog.pg_proc p WHERE p.pronamespace = $1::text::regnamespace
		ORDER BY 1, 2`
	_, err = c.trip(&call{sql: definitions, args: encode([]any{name}), each: func(r *row) {
		list = append(list, r.text()+"\x00"+r.text())
	}})
	return list, err
}
