package postgres

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"agentbridge/internal/bridge"
)

// The server's codes that are answered in a way of their own (PostgreSQL, appendix A).
const (
	uniqueViolation = "23505"
	divisionByZero  = "22012"
)

// failure says what an engine's error means to a caller. What cannot be helped by trying again is internal, the rest unavailable.
func failure(op string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*bridge.Error](err); ok {
		return e
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) && !away(err) {
		return err
	}
	unavailable := func(what, hint string, args ...any) error {
		return bridge.Errorf(bridge.Unavailable, "%s: %s: %w", op, what, said(err)).WithHint(hint, args...)
	}
	c := code(err)
	switch {
	case c == "":
		if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
			return unavailable("the PostgreSQL server's certificate is not trusted", "name the authority's certificate with sslrootcert=FILE in --store")
		}
		if strings.Contains(err.Error(), "server refused TLS") {
			return unavailable("the PostgreSQL server speaks no TLS", "turn TLS on there; sslmode=disable in --store is for servers on this machine only")
		}
		return unavailable("the PostgreSQL server cannot be reached", "see whether it runs and where; try again with the same key")
	case strings.HasPrefix(c, "28"):
		return unavailable("the PostgreSQL server does not let this user in", "check user and password in --store, PGPASSWORD or ~/.pgpass, and the server's pg_hba.conf")
	case c == "3D000":
		return unavailable("there is no such database", "make it with createdb, or name another in --store")
	case c == "42501":
		return unavailable("the database user lacks a right", "let the user own the database, or its schema: CREATE SCHEMA agentbridge AUTHORIZATION user")
	case c == "53300" || c == "53400":
		return unavailable("the PostgreSQL server has no connection left", "raise its max_connections, or lower pool_max_conns in --store; each hub takes three more than that")
	case c == "53100":
		return unavailable("the PostgreSQL server's disk is full", "free some space there and try again; nothing that was confirmed is lost")
	case c == "25006":
		return readOnly(op, err)
	case c == "57014":
		return unavailable("the PostgreSQL server cut a statement off", "try again with the same key; if it goes on, raise statement_timeout for this user")
	case c == "55P03" || c == "25P03" || c == "25P04":
		return unavailable("another process held the scope for too long", "try again with the same key; if it goes on, look for a hub that is stopped")
	case conflicted(err):
		return unavailable("others were in the way", "try again with the same key")
	case c == "42P01" || c == "3F000":
		return unavailable("the tables are not there any more", "put a backup of the database in its place, and restart this process")
	case c == "XX001" || c == "XX002":
		return bridge.Errorf(bridge.Internal, "%s: the database is damaged: %w", op, said(err)).
			WithHint("stop every hub, then put a backup in its place")
	case strings.HasPrefix(c, "08") || strings.HasPrefix(c, "53") || strings.HasPrefix(c, "57") || strings.HasPrefix(c, "58"):
		return unavailable("the PostgreSQL server is not ready", "try again with the same key; if it goes on, look at the server's log")
	}
	return bridge.Errorf(bridge.Internal, "%s: %w", op, said(err)).WithHint("please report this")
}

func readOnly(op string, err error) error {
	cause := ""
	if err != nil {
		cause = ": " + said(err).Error()
	}
	return bridge.Errorf(bridge.Unavailable, "%s: the PostgreSQL server only reads, as a standby does%s", op, cause).
		WithHint("name all servers and the one that writes: postgres://USER@HOST1,HOST2/DATABASE?target_session_attrs=read-write")
}

// reason is a cause in few words. Nothing of it is a row's: the server's details, which quote rows, are left out, and so is the address.
type reason struct {
	text  string
	cause error
}

func (r reason) Error() string { return r.text }
func (r reason) Unwrap() error { return r.cause }

// said puts a cause in few words.
func said(err error) error {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return reason{e.Message + " (SQLSTATE " + e.Code + ")", nil} // as a cause it would show its details in a log
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return reason{e.Error(), e}
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return reason{e.Error(), e}
	}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return reason{"it closed the connection", nil}
	case pgconn.Timeout(err), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return reason{"it does not answer", nil}
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return reason{err.Error(), nil}
}

// code is the server's code of an error, "" where it is none of the server's.
func code(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// conflicted reports whether the server undid a transaction because of others.
func conflicted(err error) bool {
	c := code(err)
	return c == "40001" || c == "40P01"
}

// gone reports whether the server that said so is no longer one to write to.
func gone(err error) bool {
	return err != nil && (away(err) || code(err) == "25006" || strings.HasPrefix(code(err), "57P"))
}

// away reports whether the server could not be reached, or no longer.
func away(err error) bool {
	if _, ok := errors.AsType[*bridge.Error](err); ok || err == nil || code(err) != "" {
		return false
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return true
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || pgconn.Timeout(err) ||
		pgconn.SafeToRetry(err) || err.Error() == "conn closed"
}

// passing reports whether the same may succeed in a moment, and certainly was not done.
func passing(err error) bool {
	if _, ok := errors.AsType[*bridge.Error](err); ok || err == nil {
		return false
	}
	c := code(err)
	return conflicted(err) || away(err) || strings.HasPrefix(c, "57P") || c == "25006" || c == "53300"
}

func closed() error {
	return bridge.Errorf(bridge.Unavailable, "the store is closed").WithHint("start agentbridge again")
}
