//go:build failpoint

package sqlite

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"agentbridge/internal/bridge"
)

// A build with the tag failpoint breaks at its commits as AGENTBRIDGE_FAILPOINT says, a list with commas of:
//
//	kill-before=N   SIGKILL to itself just before its Nth commit
//	kill-after=N    and just after it, when it is on disk and nobody was answered
//	error=N         every Nth commit fails, as on a disk with a hole
//	delay=D         every commit takes so much longer, as on a slow disk
//
// AGENTBRIDGE_FAILPOINT_CLOCK names a file with a duration: so far the clock of every process that has it is off, from the moment it is written.

// failpointCommits counts this process's commits, whichever store they are of.
var failpointCommits = new(atomic.Int64)

// failpoint is the value of one point; empty: there is none.
func failpoint(name string) string {
	for _, point := range strings.Split(os.Getenv("AGENTBRIDGE_FAILPOINT"), ",") {
		if value, ok := strings.CutPrefix(point, name+"="); ok {
			return value
		}
	}
	return ""
}

func failpointAt(name string) int64 {
	n, err := strconv.ParseInt(failpoint(name), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func (s *Store) beforeCommit() error {
	n := failpointCommits.Add(1)
	if n == failpointAt("kill-before") {
		failpointDie()
	}
	if d, err := time.ParseDuration(failpoint("delay")); err == nil {
		time.Sleep(d)
	}
	if every := failpointAt("error"); every > 0 && n%every == 0 {
		return bridge.Errorf(bridge.Unavailable, "disk I/O error, made by a failpoint")
	}
	return nil
}

func (s *Store) afterCommit() {
	if failpointCommits.Load() == failpointAt("kill-after") {
		failpointDie()
	}
}

func failpointDie() {
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	fmt.Fprintln(os.Stderr, "failpoint:", err)
	select {} // the signal is on its way
}

func systemClock() time.Time {
	now := time.Now()
	if text, err := os.ReadFile(os.Getenv("AGENTBRIDGE_FAILPOINT_CLOCK")); err == nil {
		if d, err := time.ParseDuration(strings.TrimSpace(string(text))); err == nil {
			now = now.Add(d)
		}
	}
	return now
}
