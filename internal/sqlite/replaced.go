package sqlite

import (
	"errors"
	"io/fs"
	"os"

	"agentbridge/internal/bridge"
)

// opened notes which file the connections are to be of.
func (s *Store) opened() error {
	if s.path == memory {
		return nil
	}
	info, err := os.Stat(s.path)
	if err != nil {
		return unwritable(err)
	}
	os.SameFile(info, info) // some systems look for what tells files apart only when they are compared, and by then it is another
	s.file = info
	return nil
}

// replaced refuses while another file, or none, is where the database was opened: what is written to that one nobody would find again,
// and a connection made now would be to the other. It costs one stat. The log says it once, so that it is found where nobody asks.
func (s *Store) replaced() error {
	if s.path == memory {
		return nil
	}
	info, err := os.Stat(s.path)
	switch {
	case err == nil && os.SameFile(info, s.file):
		return nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return unwritable(err)
	}
	gone := bridge.Errorf(bridge.Unavailable, "the database file was replaced, or taken away, while this process had it open").
		WithHint("restart this process; agentbridge doctor says how the store that is there now stands")
	if !s.told.Swap(true) {
		s.opts.Logger.Error("the database file was replaced; nothing is read or written until this process is restarted", "path", s.path)
	}
	return gone
}
