package sqlite

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"path/filepath"
	"time"

	"agentbridge/internal/bridge"
)

// OpenReading opens a database that is there, to look at it: View and Watch work, Update and Jot are [bridge.Unavailable]. It is for
// who has no time. It makes and upgrades nothing and waits for nobody's turn, so that no stopped process holds it up. Where there is no
// database of this program's own schema it is [bridge.Invalid] or [bridge.Unavailable], and the file stays as it is.
func OpenReading(ctx context.Context, path string, opts Options) (*Store, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, bridge.Errorf(bridge.Invalid, "find the database: %w", err)
	}
	s := &Store{path: abs, runDir: filepath.Join(filepath.Dir(abs), "run"), opts: opts, reading: true}
	if err := errors.Join(refuseRemote(abs), s.opened()); err != nil {
		return nil, err
	}
	s.pool, s.watch.run = newPool(abs, s.replaced), s.runDir
	if s.turn, err = newTurn(""); err != nil {
		return nil, err
	}
	c, err := connectReading(abs)
	if err == nil {
		err = recognise(c)
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}
	if err != nil {
		return nil, failure("open the database", err)
	}
	s.pool.idle = append(s.pool.idle, c)
	return s, nil
}

// connectReading opens a connection that changes nothing, not even the mode of a journal. It is no read-only one: such a connection
// could not make the shared memory that is gone when no other process has the database open.
func connectReading(path string) (*conn, error) {
	name := (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: "mode=rw"}).String()
	return dial(name, []string{"query_only = ON", "trusted_schema = OFF", "temp_store = MEMORY"})
}

// recognise refuses what is no database of this program's own schema.
func recognise(c *conn) error {
	owner, err := c.number("PRAGMA application_id")
	if err != nil {
		return err
	}
	if owner != application {
		return bridge.Errorf(bridge.Invalid, "the database belongs to another program").WithHint("name another data directory with --data")
	}
	version, err := c.number("PRAGMA user_version")
	switch {
	case err != nil:
		return err
	case version > schema:
		return newer(c, version)
	case version < schema:
		return bridge.Errorf(bridge.Unavailable, "the database has schema %d, and is upgraded to %d when an agent starts", version, schema)
	}
	return nil
}
