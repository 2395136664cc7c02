package clients

import (
	"time"

	"agentbridge/internal/bridge"
)

// Told is what a session's model has been told of. Messages are known by when the newest of them began to wait, as
// [bridge.KeepAlive] says it, so that hooks that know of nothing else tell each only once. The zero value was told of nothing.
type Told struct {
	Seen  time.Time `json:"seen"`  // in any way
	Asked time.Time `json:"asked"` // in a way that keeps the model going, or wakes it
	Kept  int       `json:"kept"`  // how often in a row it was kept going
}

// Tell decides whether the model is told at a call that messages wait, and what it has been told of then.
//
// A session that begins, or begins anew with less in mind, is always told. Otherwise the model is told of the same messages once in
// passing, and at the end of a turn once more if it did not read them; if it lets them lie then, they are its own affair. No model is
// kept going for ever: after so many times in a row (Told.Kept) it may stop, whatever came.
func (h Hook) Tell(t Told, c Call, now bridge.KeepAlive) (tell bool, next Told) {
	next = t
	if h.Event == Prompt || h.Event == TurnEnd && !c.Continued {
		next.Kept = 0
	}
	if now.Unread <= 0 || now.NewestAt == nil || c.Inner || !h.Speaks() {
		return false, next
	}
	newest := *now.NewestAt
	switch h.Event {
	case SessionStart:
		tell = true
	case Prompt, Tool:
		tell = !newest.Equal(t.Seen)
	case TurnEnd:
		tell = !c.Broken && !newest.Equal(t.Asked) && next.Kept < h.format.most && c.Loops < h.format.most
		if tell {
			next.Asked = newest
			next.Kept++
		}
	case Idle:
		tell = !newest.Equal(t.Asked) && !newest.Equal(t.Seen)
		if tell {
			next.Asked = newest
		}
	}
	if tell {
		next.Seen = newest
	}
	return tell, next
}
