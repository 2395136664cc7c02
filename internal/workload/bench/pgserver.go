package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// pgServers are throwaway servers: the addresses and what else with.sh says of them. Where AGENTBRIDGE_TEST_POSTGRES names a server, and no
// standby is asked for, it is that one.
type pgServers struct {
	said []string
	stop func() error
}

func startPg(ctx context.Context, words string, env ...string) (*pgServers, error) {
	if dsn := os.Getenv("AGENTBRIDGE_TEST_POSTGRES"); dsn != "" && len(env) == 0 {
		return &pgServers{[]string{dsn}, func() error { return nil }}, nil
	}
	cmd := exec.CommandContext(ctx, "tools/postgres/with.sh", "sh", "-c", "echo "+words+"; exec cat")
	cmd.Env, cmd.Stderr = append(os.Environ(), env...), os.Stderr
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a PostgreSQL server (from the root of the repository): %w", err)
	}
	stop := func() error { in.Close(); return cmd.Wait() }
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("no PostgreSQL server: %w", err), stop())
	}
	return &pgServers{strings.Fields(line), stop}, nil
}

// pgWith adds a parameter to an address, or puts another host into it.
func pgWith(dsn, key, value string) (string, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return "", errors.New("the address of the PostgreSQL server cannot be understood")
	}
	if key == "host" {
		u.Host = value
		return u.String(), nil
	}
	q := u.Query()
	q.Set(key, value)
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// pgAdmin runs SQL beside the store.
func pgAdmin(ctx context.Context, dsn, sql string) error {
	c, err := pgconn.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	_, err = c.Exec(ctx, sql).ReadAll()
	return err
}

// pgKinds asks the server for the kinds of every statement's arguments.
func pgKinds(ctx context.Context, dsn string, heard []statement) (map[string][]kind, error) {
	c, err := pgconn.Connect(ctx, dsn)
	if err != nil {
		return nil, err
	}
	defer c.Close(ctx)
	of := map[uint32]kind{17: blob, 20: integer, 25: words} // bytea, bigint, text
	kinds := map[string][]kind{}
	for _, s := range heard {
		if _, known := kinds[s.sql]; known {
			continue
		}
		d, err := c.Prepare(ctx, "", s.sql, nil)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.sql, err)
		}
		kinds[s.sql] = []kind{}
		for _, oid := range d.ParamOIDs {
			k, ok := of[oid]
			if !ok {
				return nil, fmt.Errorf("%s: an argument of type %d", s.sql, oid)
			}
			kinds[s.sql] = append(kinds[s.sql], k)
		}
	}
	return kinds, nil
}

// pgFill puts the clients' values where pgbench finds them.
func pgFill(ctx context.Context, dsn, table string, s script) error {
	c, err := pgconn.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	var columns, marks []string
	for i := range s.columns {
		columns, marks = append(columns, fmt.Sprintf("p%d text", i)), append(marks, fmt.Sprintf("$%d", i+2))
	}
	if _, err := c.Exec(ctx, "CREATE TABLE "+table+" (client text PRIMARY KEY, "+strings.Join(columns, ", ")+")").ReadAll(); err != nil {
		return err
	}
	for n, values := range s.values {
		args := [][]byte{fmt.Append(nil, n)}
		for _, v := range values {
			args = append(args, []byte(v))
		}
		if _, err := c.ExecParams(ctx, "INSERT INTO "+table+" VALUES ($1, "+strings.Join(marks, ", ")+")", args, nil, nil, nil).Close(); err != nil {
			return err
		}
	}
	return nil
}

// pgProgram finds a program of PostgreSQL, which Debian keeps out of the way.
func pgProgram(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	out, err := exec.Command("sh", "-c", "ls /usr/lib/postgresql/*/bin/"+name+" | sort -V | tail -n 1").Output()
	path := strings.TrimSpace(string(out))
	if err != nil || path == "" {
		return "", fmt.Errorf("%s is missing: install PostgreSQL (Debian: apt-get install postgresql)", name)
	}
	return path, nil
}
