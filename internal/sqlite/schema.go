package sqlite

import (
	"embed"
	"fmt"

	"agentbridge/internal/bridge"
)

// The migrations, forward only. One that was shipped never changes; the next is a new file.
//
//go:embed migrations/*.sql
var migrations embed.FS

// schema is the newest version this program knows: the number of its migrations.
const schema = 4

// application marks the file as ours ("abdg"), so that another program's database is refused and not built upon.
const application = 0x61626467

// migrate brings a database to the newest schema, or refuses it. The caller has the turn, so that no two processes try at once.
func migrate(c *conn, moving bool) error {
	version, err := c.number("PRAGMA user_version")
	if err != nil {
		return err
	}
	owner, err := c.number("PRAGMA application_id")
	if err != nil {
		return err
	}
	tables, err := c.number("SELECT count(*) FROM sqlite_schema")
	if err != nil {
		return err
	}
	switch {
	case owner != application && (version != 0 || tables != 0):
		return bridge.Errorf(bridge.Invalid, "the database belongs to another program").
			WithHint("name another data directory with --data")
	case version == schema || moving && version == bridge.StoreMoving:
		return nil
	case version > schema:
		return newer(c, version)
	}
	if err := c.script("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	for v := version + 1; v <= schema; v++ {
		if err := step(c, v); err != nil {
			_ = c.script("ROLLBACK") // the step's failure says more
			return fmt.Errorf("migrate to schema %d: %w", v, err)
		}
	}
	return c.script("COMMIT")
}

// newer refuses a version that is none of this program's.
func newer(c *conn, version int64) error {
	where := "another place"
	if version >= bridge.StoreMoving {
		if err := c.query(func(r *row) { where = string(r.blob()) }, "SELECT value FROM meta WHERE key = ?", bridge.MetaMovedTo); err != nil {
			return err
		}
	}
	if err := bridge.Elsewhere(version, where); err != nil {
		return err
	}
	return bridge.Errorf(bridge.Invalid, "the database was made by a newer agentbridge: it has schema %d, this program knows %d", version, schema).
		WithHint("upgrade agentbridge, or start it again if that is done")
}

// checkSchema refuses to write once another process has upgraded the database under this one, or moved it. Its answer costs 3 µs.
func checkSchema(c *conn, moving bool) error {
	version, err := c.number("PRAGMA user_version")
	if err == nil && version != schema && !(moving && version == bridge.StoreMoving) {
		err = newer(c, version)
	}
	return failure("check the schema", err)
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
	return c.script(fmt.Sprintf("%s\nPRAGMA user_version = %d;\nPRAGMA application_id = %d;", sql, version, application))
}
