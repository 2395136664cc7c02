package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// tick is the unit of processor times in /proc.
const tick = 10 * time.Millisecond

// stat reads a process's parent and what it has used of the processors, by itself and by children that ended. It knows nothing where there is no
// such file.
func stat(pid int) (parent int, self, children time.Duration, ok bool) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, found := strings.Cut(string(raw), ") ")
	f := strings.Fields(rest)
	if err != nil || !found || len(f) < 15 {
		return 0, 0, 0, false
	}
	n := func(i int) int { v, _ := strconv.Atoi(f[i]); return v }
	return n(1), time.Duration(n(11)+n(12)) * tick, time.Duration(n(13)+n(14)) * tick, true
}

// pgServer finds the process that begot a server's connections; 0: it is not on this machine.
func pgServer(ctx context.Context, dsn string) (int, error) {
	c, err := pgconn.Connect(ctx, dsn)
	if err != nil {
		return 0, err
	}
	defer c.Close(ctx)
	parent, _, _, _ := stat(int(c.PID()))
	return parent, nil
}

// used is what a server and all its processes have used of the processors so far.
func used(server int) time.Duration {
	_, sum, children, _ := stat(server)
	sum += children
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, path := range all {
		pid, _ := strconv.Atoi(filepath.Base(path))
		if parent, self, _, ok := stat(pid); ok && parent == server {
			sum += self
		}
	}
	return sum
}
