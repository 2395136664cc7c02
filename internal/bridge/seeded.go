//go:build seeded

package bridge

import (
	"context"
	"os"
	"strconv"
	"sync/atomic"
)

// SeededBug is the variable that chooses a bug.
const SeededBug = "AGENTBRIDGE_SEEDED_BUG"

var occasions = new(atomic.Int64)

// seeded reports whether a bug is to happen now: on every fifth occasion. Of waiting there are fewer, so it is every other one.
func seeded(bug int) bool {
	every := int64(5)
	if bug == bugWakeLost {
		every = 2
	}
	return os.Getenv(SeededBug) == strconv.Itoa(bug) && occasions.Add(1)%every == 0
}

// entryAlone writes the entry of a send that was refused.
func (s *Service) entryAlone(ctx context.Context, c Caller, q SendRequest) {
	if q.Conversation == "" || !seeded(bugEntryAlone) {
		return
	}
	_ = s.store.Update(ctx, InConversation(q.Conversation), func(tx Tx) error {
		r, err := s.enter(tx, c, q.Conversation)
		if err != nil {
			return err
		}
		if err := r.record(r.me.Name, "send", string(messageID(r.c.Key, r.me, q.Key)), facts{"seq": "0", "to": "nobody"}); err != nil {
			return err
		}
		return r.save()
	})
}
