//go:build seeded

package sqlite

import (
	"os"
	"strconv"
	"sync/atomic"

	"agentbridge/internal/bridge"
)

// seededCommits counts this process's commits.
var seededCommits = new(atomic.Int64)

// answerEarly reports whether a group is answered though it is not committed, and never will be: every twelfth.
func answerEarly() bool {
	return os.Getenv(bridge.SeededBug) == strconv.Itoa(bridge.BugAnswerBeforeCommit) && seededCommits.Add(1)%12 == 0
}
