//go:build postgres

package postgres

import (
	"bufio"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"agentbridge/internal/bridge"
	"agentbridge/internal/storetest"
)

// server is the variable with the address of a server where tests may make schemas. tools/postgres/with.sh starts one and sets it.
const server = "AGENTBRIDGE_TEST_POSTGRES"

func open(dsn string) (bridge.Store, error) {
	return Open(background, dsn, Options{})
}

func TestMain(m *testing.M) {
	storetest.Child(open)
	if os.Getenv(server) == "" {
		fmt.Fprintf(os.Stderr, "these tests need a PostgreSQL server: run make postgres, or name one in %s\n", server)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

func TestStore_KeepsTheContract(t *testing.T) {
	storetest.Run(t, storetest.Engine{New: fresh, Open: open})
}

// fresh gives the address of a new schema, which is dropped after the test.
func fresh(t testing.TB) string {
	t.Helper()
	name := "t_" + string(newName())[5:]
	dsn := with(t, os.Getenv(server), "search_path", name)
	t.Cleanup(func() { admin(t, "DROP SCHEMA IF EXISTS "+name+" CASCADE") })
	return dsn
}

// with adds a parameter to an address.
func with(t testing.TB, dsn, key, value string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set(key, value)
	u.RawQuery = q.Encode()
	return u.String()
}

// admin runs SQL beside the store.
func admin(t testing.TB, sql string) {
	t.Helper()
	adminOf(t, os.Getenv(server), sql)
}

func adminOf(t testing.TB, dsn, sql string) {
	t.Helper()
	c := dialAdmin(t, dsn)
	defer c.close()
	if err := c.script(sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func dialAdmin(t testing.TB, dsn string) *conn {
	t.Helper()
	at, err := parse(dsn, 0)
	if err != nil {
		t.Fatal(err)
	}
	at.patience, at.setup = patience, "SET client_min_messages = error"
	c, err := at.dial(background)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// ownServer starts a server for one test.
func ownServer(t testing.TB) (dsn string) {
	t.Helper()
	return ownServers(t, `"$`+server+`"`)[0]
}

// ownServers starts servers for one test, and gives what the words say to a shell beside them.
func ownServers(t testing.TB, words string, env ...string) []string {
	t.Helper()
	cmd := exec.Command("../../tools/postgres/with.sh", "sh", "-c", "echo "+words+"; exec cat")
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = t.Output()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("a server of the test's own: %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("no server of the test's own: %v", err)
	}
	return strings.Fields(line)
}

// start opens a store that is closed with the test.
func start(t testing.TB, dsn string, opts Options) *Store {
	t.Helper()
	s, err := Open(background, dsn, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	return s
}

// patience is how long anything may take that should take milliseconds.
const patience = 10 * time.Second
