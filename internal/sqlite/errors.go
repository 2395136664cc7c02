package sqlite

import (
	"errors"

	sqlite3 "modernc.org/sqlite/lib"

	"agentbridge/internal/bridge"
)

// failure says what an engine's error means to a caller. What cannot be helped by trying again is internal, the rest unavailable.
func failure(op string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*bridge.Error](err); ok {
		return e
	}
	switch code(err) {
	case sqlite3.SQLITE_FULL:
		return bridge.Errorf(bridge.Unavailable, "%s: the disk is full: %w", op, err).
			WithHint("free some space and try again; nothing that was confirmed is lost")
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL:
		return bridge.Errorf(bridge.Unavailable, "%s: another program holds the database: %w", op, err).
			WithHint("close whatever else has the file open, then try again")
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_ABORT:
		return bridge.Errorf(bridge.Unavailable, "%s: %w", op, err).
			WithHint("try again; if it goes on, look at the disk and the system log")
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_AUTH:
		return bridge.Errorf(bridge.Unavailable, "%s: the database cannot be written: %w", op, err).
			WithHint("make the data directory and what is in it writable for this user, or name another with --data")
	case sqlite3.SQLITE_NOTADB:
		return bridge.Errorf(bridge.Invalid, "%s: the file is not a database: %w", op, err).
			WithHint("name another data directory with --data, or move the file away")
	case sqlite3.SQLITE_CORRUPT:
		return bridge.Errorf(bridge.Internal, "%s: the database is damaged: %w", op, err).
			WithHint("stop every agentbridge process, then put a backup of the data directory in its place")
	}
	return bridge.Errorf(bridge.Internal, "%s: %w", op, err).WithHint("please report this")
}

// code is the primary result code of an engine's error, 0 where it is none.
func code(err error) int {
	if e, ok := errors.AsType[*engineError](err); ok {
		return int(e.code & 0xff)
	}
	return 0
}

// busy reports whether trying again may help at once.
func busy(err error) bool {
	return code(err) == sqlite3.SQLITE_BUSY || code(err) == sqlite3.SQLITE_LOCKED
}

func closed() error {
	return bridge.Errorf(bridge.Unavailable, "the store is closed").WithHint("start agentbridge again")
}
