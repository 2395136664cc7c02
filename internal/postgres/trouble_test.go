//go:build postgres

package postgres

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

// A server that becomes one that only reads, as after a switch-over, is waited for while an update may wait, and then said to be one.
func TestUpdate_ServerThatOnlyReadsNowIsUnavailableUntilItWritesAgain(t *testing.T) {
	dsn := fresh(t)
	writer, name := user(t, dsn, "SUPERUSER")
	application := string(newName())
	s := start(t, with(t, writer, "application_name", application), Options{LockTimeout: 300 * time.Millisecond})
	if err := put(s, "before"); err != nil {
		t.Fatal(err)
	}
	admin(t, "ALTER ROLE "+name+" SET default_transaction_read_only = on")
	cut(t, application)
	refused(t, put(s, "meanwhile"), bridge.Unavailable, "only reads")
	if !has(t, s, "before") {
		t.Error("what can be read is not read")
	}
	admin(t, "ALTER ROLE "+name+" RESET default_transaction_read_only")
	cut(t, application)
	goesOn(t, s)
}

// Where the server has no connection left in the middle, updates say so and lose nothing.
func TestUpdate_SaysThatNoConnectionIsLeft(t *testing.T) {
	dsn := fresh(t)
	tenant, name := user(t, dsn, "")
	at, _ := parse(dsn, time.Second)
	admin(t, "CREATE SCHEMA "+at.schema+" AUTHORIZATION "+name)
	application := string(newName())
	s := start(t, with(t, tenant, "application_name", application), Options{LockTimeout: 300 * time.Millisecond})
	admin(t, "ALTER ROLE "+name+" CONNECTION LIMIT 0")
	cut(t, application)
	refused(t, put(s, "meanwhile"), bridge.Unavailable, "no connection left")
	admin(t, "ALTER ROLE "+name+" CONNECTION LIMIT -1")
	goesOn(t, s)
}

// goesOn wants updates to be done again, and the one that was refused as "meanwhile" not to have been.
func goesOn(t *testing.T, s *Store) {
	t.Helper()
	if err := put(s, "after"); err != nil {
		t.Errorf("Update after the trouble = %v", err)
	}
	if has(t, s, "meanwhile") || !has(t, s, "after") {
		t.Error("the refused update was done, or the other was not")
	}
}

// Rights that are taken away in the middle are said to be missing, and are used again when they are back.
func TestUpdate_SaysThatARightWasTakenAway(t *testing.T) {
	dsn := fresh(t)
	tenant, name := user(t, dsn, "")
	at, _ := parse(dsn, time.Second)
	admin(t, "CREATE SCHEMA "+at.schema+" AUTHORIZATION "+name)
	s := start(t, tenant, Options{})
	admin(t, fmt.Sprintf("REVOKE ALL ON ALL TABLES IN SCHEMA %s FROM %s", at.schema, name))
	refused(t, put(s, "meanwhile"), bridge.Unavailable, "lacks a right")
	admin(t, fmt.Sprintf("GRANT ALL ON ALL TABLES IN SCHEMA %s TO %s", at.schema, name))
	goesOn(t, s)
}

func TestServer_ClockThatDiffersIsTold(t *testing.T) {
	for ahead, told := range map[time.Duration]bool{0: false, 50 * time.Second: false, 2 * time.Minute: true, -2 * time.Minute: true} {
		var log bytes.Buffer
		Server{Syncs: true, Ahead: ahead}.warn(slog.New(slog.NewTextHandler(&log, nil)))
		if got := strings.Contains(log.String(), "clock"); got != told {
			t.Errorf("a clock %v ahead is told: %t, want %t", ahead, got, told)
		}
	}
	if ahead := start(t, fresh(t), Options{}).Server().Ahead; ahead.Abs() > 30*time.Second {
		t.Errorf("the clock of a server on this machine is %v ahead", ahead)
	}
}
