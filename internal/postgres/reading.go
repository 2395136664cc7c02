package postgres

import (
	"context"
	"errors"

	"agentbridge/internal/bridge"
)

// OpenReading opens tables that are there, to look at them: View and Watch work, Update and Jot are [bridge.Unavailable]. It makes and
// upgrades nothing. Where there are no tables of this program's own schema it is [bridge.NotFound], [bridge.Invalid] or
// [bridge.Unavailable].
func OpenReading(ctx context.Context, dsn string, opts Options) (*Store, error) {
	s, err := prepare(dsn, opts)
	if err != nil {
		return nil, err
	}
	s.reading = true
	if err := s.recognise(ctx); err != nil {
		return nil, errors.Join(failure("open the database", err), s.pool.close())
	}
	return s, nil
}

// recognise refuses what is no schema of this program's own version.
func (s *Store) recognise(ctx context.Context) error {
	c, err := s.pool.get(ctx, viewing)
	if err != nil {
		return err
	}
	defer func() { s.pool.put(c, viewing) }()
	switch version, err := versionOf(c, s.at.schema); {
	case err != nil:
		return err
	case version == 0:
		return s.at.empty()
	case version < schema:
		return bridge.Errorf(bridge.Unavailable, "the database has schema %d, and is upgraded to %d when a hub starts", version, schema).
			WithHint("start a hub of this version")
	}
	return nil
}
