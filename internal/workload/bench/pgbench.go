package main

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// perSecond is what pgbench says each second. In the first two its connections begin and prepare, which those of a hub have long done.
var perSecond = regexp.MustCompile(`(?m)^progress: [0-9.]+ s, ([0-9.]+) tps`)

const pgWarm = 2

var processed = regexp.MustCompile(`transactions actually processed: ([0-9]+)`)

// pgbench gives how many rounds a second it makes.
func (f *pgField) pgbench(ctx context.Context, clients int, span time.Duration, mix, piped bool) (rate float64, cpu time.Duration, err error) {
	path, err := pgProgram("pgbench")
	if err != nil {
		return 0, 0, err
	}
	s, table := f.send, "bench_send"
	if mix {
		s, table = f.mix, "bench_mix"
	}
	text := s.text
	if piped {
		text = s.piped
	}
	file := filepath.Join(f.b.program.Data, "script.sql")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "bench_values", table)), 0o600); err != nil {
		return 0, 0, err
	}
	u, err := url.Parse(f.dsn)
	if err != nil {
		return 0, 0, err
	}
	q := u.Query()
	schema := q.Get("search_path")
	q.Del("search_path")
	u.RawQuery = q.Encode()
	password, _ := u.User.Password()
	u.User = url.User(u.User.Username())
	f.moved += 100_000
	n := f.moved
	if mix { // which moves some rows on by more than one a round; and its first check acks what a check before it would have taken
		n += 1_000_000_000
		if err := pgAdmin(ctx, f.dsn, fmt.Sprintf(`INSERT INTO deliveries SELECT d.conversation, l.last_seq + %d, d.recipient, d.message, d.state, d.at, d.reason, d.how,
			d.attempts, d.receipt, d.instance FROM deliveries d JOIN bench_last l ON d.conversation = l.id AND d.seq = l.last_seq`, n)); err != nil {
			return 0, 0, err
		}
	}
	cmd := exec.CommandContext(ctx, path, "--no-vacuum", "--protocol=prepared", "--client="+strconv.Itoa(clients), "--jobs=2",
		"--progress=1", "--time="+strconv.Itoa(int(span.Seconds())+pgWarm), "--define=first=1", "--define=n="+strconv.Itoa(n), "--file="+file, u.String())
	cmd.Env = append(os.Environ(), "PGPASSWORD="+password,
		"PGOPTIONS=-c search_path="+schema+" -c synchronous_commit=on -c client_min_messages=warning -c lock_timeout=10s -c idle_in_transaction_session_timeout=10s -c jit=off")
	var said bytes.Buffer
	cmd.Stderr = &said
	before := used(f.server)
	out, err := cmd.Output()
	found := perSecond.FindAllSubmatch(said.Bytes(), -1)
	if err != nil || len(found) <= pgWarm {
		return 0, 0, fmt.Errorf("pgbench: %w: %s%s", err, out, said.Bytes())
	}
	var sum float64
	for _, line := range found[pgWarm:] {
		n, err := strconv.ParseFloat(string(line[1]), 64)
		if err != nil {
			return 0, 0, err
		}
		sum += n
	}
	done, err := strconv.Atoi(string(processed.FindSubmatch(out)[1]))
	if err != nil {
		return 0, 0, err
	}
	cpu = used(f.server) - before + cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return sum / float64(len(found)-pgWarm), cpu / time.Duration(max(1, done)), nil
}
