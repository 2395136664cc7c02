package postgres

import (
	"embed"
	"errors"
	"fmt"
	"hash/fnv"

	"agentbridge/internal/bridge"
)

// The migrations, forward only. One that was shipped never changes; the next is a new file.
//
//go:embed migrations/*.sql
var migrations embed.FS

// schema is the newest version this program knows: the number of its migrations.
const schema = 2

// migrate brings a schema to the newest version, or refuses it. Others who try at the same time wait for an advisory lock, and updates
// under way for each other, since every one reads the version first.
func migrate(c *conn, name string) error {
	if _, err := c.trip(&call{sql: `BEGIN`}, &call{sql: `SELECT pg_advisory_xact_lock($1)`, args: encode([]any{lockOf(name)})}); err != nil {
		return err
	}
	err := upgrade(c, name)
	if err == nil {
		c.warned = false
		var failed *call
		commit := &call{sql: `COMMIT`}
		if failed, err = c.trip(commit); err == nil || failed == nil {
			err = committed(c, commit, err)
		}
	}
	if err != nil && !c.raw.IsClosed() {
		_, _ = c.trip(&call{sql: `ROLLBACK`})
	}
	return err
}

func upgrade(c *conn, name string) error {
	version, err := versionOf(c, name) // another may have been first
	if err != nil {
		return err
	}
	if version == 0 {
		// Whoever made the schema for this user need not have given the right to make others, which IF NOT EXISTS asks for.
		there, err := c.number(`SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = $1`, name)
		if err == nil && there == 0 {
			err = c.script(`CREATE SCHEMA ` + name)
		}
		if err != nil {
			return err
		}
	} else if err := c.script(`LOCK TABLE agentbridge IN ACCESS EXCLUSIVE MODE`); err != nil {
		return err
	}
	for v := version + 1; v <= schema; v++ {
		if err := step(c, v); err != nil {
			return fmt.Errorf("migrate to schema %d: %w", v, err)
		}
	}
	return nil
}

// versionOf gives the version of a schema, 0 where there is none or nothing in it, and refuses what is not ours or newer.
func versionOf(c *conn, name string) (int64, error) {
	const tables = `SELECT count(*), count(*) FILTER (WHERE t.relname = 'agentbridge')
		FROM pg_catalog.pg_class t JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
		WHERE n.nspname = $1 AND t.relkind IN ('r', 'p', 'v', 'm', 'f')`
	var all, ours, version int64
	_, err := c.trip(&call{sql: tables, args: encode([]any{name}), each: func(r *row) { all, ours = r.int(), r.int() }})
	if err == nil && ours > 0 {
		version, err = c.number(readVersion)
	}
	switch {
	case err != nil || all == 0:
		return 0, err
	case version == 0:
		return 0, bridge.Errorf(bridge.Invalid, "schema %s belongs to another program", name).
			WithHint("name another with ?search_path=NAME in --store; it is made where it is missing")
	case version > schema:
		return version, newer(c, version)
	}
	return version, nil
}

const readVersion = `SELECT coalesce(max(schema), 0) FROM agentbridge`

// newer refuses a version that is none of this program's.
func newer(c *conn, version int64) error {
	where := "another place"
	if version >= bridge.StoreMoving && c.raw.TxStatus() != 'E' {
		if _, err := c.trip(&call{sql: `SELECT value FROM meta WHERE key = $1`, args: encode([]any{bridge.MetaMovedTo}), each: func(r *row) { where = r.text() }}); err != nil {
			return err
		}
	}
	if err := bridge.Elsewhere(version, where); err != nil {
		return err
	}
	return bridge.Errorf(bridge.Invalid, "the database was made by a newer agentbridge: it has schema %d, this program knows %d", version, schema).
		WithHint("upgrade agentbridge, or start it again if that is done")
}

// checkSchema refuses to write once another process has upgraded the database under this one, or moved it.
func checkSchema(c *conn, version int64, moving bool) error {
	if version == schema || moving && version == bridge.StoreMoving {
		return nil
	}
	return newer(c, version)
}

func step(c *conn, version int64) error {
	names, err := migrations.ReadDir("migrations")
	if err != nil {
		return err
	}
	sql, err := migrations.ReadFile("migrations/" + names[version-1].Name())
	if err != nil {
		return err
	}
	return errors.Join(c.script(string(sql)), c.script(fmt.Sprintf("INSERT INTO agentbridge (schema) VALUES (%d)", version)))
}

// lockOf is the advisory lock of a schema's migrations.
func lockOf(name string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte("agentbridge/" + name)) // never fails
	return int64(h.Sum64())
}
