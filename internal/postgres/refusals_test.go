//go:build postgres

package postgres

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

// secret is the password of users that tests make.
const secret = "Tr0ub4dor&3 /#?"

// user makes a database user and gives its address for the schema of dsn.
func user(t testing.TB, dsn, options string) (address, name string) {
	t.Helper()
	name = "u_" + string(newName())[5:]
	admin(t, fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s' %s", name, secret, options))
	t.Cleanup(func() { admin(t, "DROP OWNED BY "+name+"; DROP ROLE "+name) })
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(name, secret)
	return u.String(), name
}

// refused checks an error: its code, that it says what is the matter and what to do, and that it has no password.
func refused(t *testing.T, err error, want bridge.Code, says string) {
	t.Helper()
	e, ok := errors.AsType[*bridge.Error](err)
	if !ok || e.Code != want || !strings.Contains(e.Message, says) || e.Hint == "" {
		t.Errorf("refused with %v (%+v), want %s with %q and a hint", err, e, want, says)
		return
	}
	quiet(t, fmt.Sprintf("%s\n%+v\n%#v", e.Text(), err, errors.Unwrap(err)))
}

func quiet(t *testing.T, text string) {
	t.Helper()
	u, _ := url.Parse(os.Getenv(server))
	password, _ := u.User.Password()
	for _, word := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), "Tr0ub4dor", password} {
		if strings.Contains(text, word) {
			t.Errorf("a password is told: %s", text)
		}
	}
}

func TestOpen_SaysWhatIsWrong(t *testing.T) {
	unused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	unused.Close()
	dsn := fresh(t)
	change := func(dsn string, do func(u *url.URL)) string {
		u, err := url.Parse(dsn)
		if err != nil {
			t.Fatal(err)
		}
		do(u)
		return u.String()
	}
	stranger, _ := user(t, dsn, "")
	crowded, _ := user(t, dsn, "CONNECTION LIMIT 0")
	reader, name := user(t, dsn, "SUPERUSER")
	admin(t, "ALTER ROLE "+name+" SET default_transaction_read_only = on")
	for _, c := range []struct {
		name, dsn string
		code      bridge.Code
		says      string
	}{
		{"server away", change(dsn, func(u *url.URL) { u.Host = unused.Addr().String() }), bridge.Unavailable, "cannot be reached"},
		{"no such host", change(dsn, func(u *url.URL) { u.Host = "nowhere.invalid" }), bridge.Unavailable, "cannot be reached"},
		{"wrong password", change(dsn, func(u *url.URL) { u.User = url.UserPassword("agentbridge", secret) }), bridge.Unavailable, "does not let this user in"},
		{"no such user", change(dsn, func(u *url.URL) { u.User = url.UserPassword("nobody_at_all", secret) }), bridge.Unavailable, "does not let this user in"},
		{"no such database", change(dsn, func(u *url.URL) { u.Path = "/nothing" }), bridge.Unavailable, "no such database"},
		{"no TLS there", with(t, dsn, "sslmode", "require"), bridge.Unavailable, "speaks no TLS"},
		{"missing rights", stranger, bridge.Unavailable, "lacks a right"},
		{"too many connections", crowded, bridge.Unavailable, "no connection left"},
		{"only reads", reader, bridge.Unavailable, "only reads"},
		{"a standby is not wanted", with(t, dsn, "target_session_attrs", "standby"), bridge.Unavailable, "cannot be reached"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := Open(t.Context(), c.dsn, Options{})
			if err == nil {
				s.Close()
			}
			refused(t, err, c.code, c.says)
		})
	}
}

func TestOpen_LeavesOtherSchemasAlone(t *testing.T) {
	dsn := fresh(t)
	at, _ := parse(dsn, time.Second)
	admin(t, "CREATE SCHEMA "+at.schema+"; CREATE TABLE "+at.schema+".theirs (n int)")
	_, err := Open(t.Context(), dsn, Options{})
	refused(t, err, bridge.Invalid, "belongs to another program")

	dsn = fresh(t)
	at, _ = parse(dsn, time.Second)
	s := start(t, dsn, Options{})
	admin(t, "INSERT INTO "+at.schema+".agentbridge (schema) VALUES (99)")
	_, err = Open(t.Context(), dsn, Options{})
	refused(t, err, bridge.Invalid, "newer agentbridge")
	err = s.Update(t.Context(), bridge.Deployment, func(tx bridge.Tx) error { return tx.PutMeta("key", nil) })
	refused(t, err, bridge.Invalid, "newer agentbridge")
}

func TestOpen_NeedsNoRightButItsSchema(t *testing.T) {
	dsn := fresh(t)
	at, _ := parse(dsn, time.Second)
	tenant, name := user(t, dsn, "")
	admin(t, "CREATE SCHEMA "+at.schema+" AUTHORIZATION "+name)
	s := start(t, tenant, Options{})
	if err := put(s, "key"); err != nil {
		t.Errorf("Update by a user with a schema and nothing else = %v", err)
	}
	if list, err := s.Foreign(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("Foreign = %q, %v", list, err)
	}
}

func TestOpen_ManyAtOnceMakeOneSchema(t *testing.T) {
	dsn, errs := fresh(t), make(chan error)
	for range 8 {
		go func() {
			s, err := Open(t.Context(), dsn, Options{})
			if err == nil {
				err = s.Close()
			}
			errs <- err
		}()
	}
	for range 8 {
		if err := <-errs; err != nil {
			t.Errorf("Open beside others = %v", err)
		}
	}
}

func put(s *Store, key string) error {
	return s.Update(background, bridge.Deployment, func(tx bridge.Tx) error { return tx.PutMeta(key, []byte("done")) })
}

func has(t testing.TB, s *Store, key string) bool {
	t.Helper()
	found := false
	if err := s.View(background, func(tx bridge.Tx) error {
		_, err := tx.Meta(key)
		if found = err == nil; errors.Is(err, bridge.NotFound) {
			err = nil
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return found
}

func TestUpdate_SaysWhatCutItOff(t *testing.T) {
	dsn := fresh(t)
	holder := start(t, dsn, Options{})
	hurried, name := user(t, dsn, "SUPERUSER")
	admin(t, "ALTER ROLE "+name+" SET statement_timeout = '50ms'")
	var log bytes.Buffer
	slow := start(t, hurried, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	impatient := start(t, dsn, Options{LockTimeout: 50 * time.Millisecond})

	entered, release, over := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		over <- holder.Update(background, bridge.Deployment, func(bridge.Tx) error {
			close(entered)
			<-release
			return nil
		})
	}()
	<-entered
	refused(t, put(slow, "slow"), bridge.Unavailable, "cut a statement off")
	refused(t, put(impatient, "impatient"), bridge.Unavailable, "held the scope for too long")
	close(release)
	if err := <-over; err != nil {
		t.Error(err)
	}
	for _, s := range []*Store{slow, impatient} {
		if err := put(s, "after"); err != nil {
			t.Errorf("Update after one that was cut off = %v", err)
		}
	}
	if has(t, holder, "slow") || has(t, holder, "impatient") {
		t.Error("an update that was cut off was done")
	}
	quiet(t, log.String())
}
