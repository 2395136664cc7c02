package sqlite

// Left to itself, the engine moves what the write-ahead log holds into the database within the commit that fills the log, and whoever made that
// commit waits for it. Here it is done behind the answers. A short log is the faster one for who writes now and then, because the system has its
// pages at hand; under load a longer one is moved less often. The engine's own limit (wal_autocheckpoint, in [connect]) is there for
// other programs, and for when this one does not get to it.
const (
	lookEvery    = 16   // commits of this process between two looks at the log
	moveFrom     = 1000 // pages in the log that are not in the database
	moveManyFrom = 3000 // the same where several share a commit
)

// looksAtLog counts a commit, and reports whether it is time to look at the log.
func (s *Store) looksAtLog() bool { return s.path != memory && s.commits.Add(1)%lookEvery == 0 }

// checkpoint moves the log into the database if that is due. The caller has the turn and the writer: while others write it could not be moved
// to its end, and would go on growing. What fails here is done again by the next, and told by the commit that cannot do without.
func (s *Store) checkpoint(many bool) {
	var log, moved int64
	err := s.writer.query(func(r *row) { _, log, moved = r.int(), r.int(), r.int() }, "PRAGMA wal_checkpoint(NOOP)")
	if due := log - moved; err == nil && (due >= moveManyFrom || due >= moveFrom && !many) {
		err = s.writer.query(func(*row) {}, "PRAGMA wal_checkpoint(PASSIVE)")
	}
	if err != nil && !busy(err) { // then another process is at it
		s.opts.Logger.Warn("move the write-ahead log into the database", "error", err)
	}
}
