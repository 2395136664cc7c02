package bridge

import (
	"slices"
	"strconv"
	"time"
)

// Bounds of talk without progress, in turns. doc/decisions/0012-loop-guard.md says why.
const (
	slowTurns  = 40 // from here on a turn waits for turnEvery
	pauseTurns = 60 // the turn that pauses the conversation
	slowEach   = 8  // where many are present, slowTurns is so many for each
	pauseEach  = 12 // and pauseTurns so many
	turnEvery  = 2 * time.Second
	turnQuiet  = 2 * time.Minute // a volley that rested for so long is over
	stormFrom  = 4               // a message to so many is a turn whoever spoke before
)

// progress notes that something got done: what was said before does not count for the loop guard any more. A task that changes is
// progress, a file that is new, and a word from the person.
func (r *room) progress() { r.c.Turns = 0 }

// patience is how many turns without progress there are before they are slowed, and before the conversation is paused. It grows with
// those present: one lead that asks thirty others and is answered makes sixty turns of work.
func (r *room) patience() (slow, pause int) {
	present := 0
	for _, m := range r.all {
		if m.Present() {
			present++
		}
	}
	return max(slowTurns, slowEach*present), max(pauseTurns, pauseEach*present)
}

// running refuses while the conversation is paused.
func (r *room) running() error {
	if r.c.PausedAt.IsZero() {
		return nil
	}
	by := "the person in charge"
	if r.c.PausedBy == ProgramName {
		by = "the bridge's loop guard"
	}
	return Errorf(Paused, "conversation %s was paused by %s", r.c.ID, by).
		WithHint("only a person can resume it, with `agentbridge resume`; until then you can read, ack, update_status, and renew, complete, fail or release what you hold")
}

// turn counts a message that an agent is about to send, or refuses it where talk without progress goes too fast.
func (r *room) turn(m Message, recipients int) error {
	if !r.s.conf.LoopGuard || r.s.conf.Limits.Name == NoLimits.Name {
		return nil
	}
	c := &r.c
	since := r.now.Sub(c.SpokeAt)
	news, err := r.news(m.Files)
	switch {
	case err != nil:
		return err
	case news || since >= turnQuiet || since < -jump: // the last: nobody knows how long ago, the clock was set back
		r.progress()
	}
	if m.From == c.SpokeBy && recipients < stormFrom {
		return nil
	}
	if slow, _ := r.patience(); c.Turns >= slow && since < turnEvery {
		return Errorf(RateLimited, "%d turns of talk and nothing got done: from now on there are %s between two", c.Turns, turnEvery).
			WithHint("wait; what counts as done is a task that changes, a file in files_involved that is new here, or a word from the person").Retry(turnEvery - since)
	}
	c.Turns++
	c.SpokeBy, c.SpokeAt = m.From, r.now
	return nil
}

// news reports whether a file is among them that no recent message named. It looks back over all turns that pause a conversation, so
// that going through the same files again and again is none.
func (r *room) news(files []string) (bool, error) {
	if len(files) == 0 {
		return false, nil
	}
	_, back := r.patience()
	recent, err := r.tx.Messages(r.c.ID, r.c.LastSeq-int64(back), 0)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(files, func(f string) bool {
		return !slices.ContainsFunc(recent, func(m Message) bool { return slices.Contains(m.Files, f) })
	}), nil
}

// guard pauses the conversation if the message just sent was the last turn there is room for.
func (r *room) guard() error {
	if _, pause := r.patience(); r.c.Turns < pause {
		return nil
	}
	r.c.PausedAt, r.c.PausedBy = r.now, ProgramName
	turns := strconv.Itoa(r.c.Turns)
	if err := r.record(ProgramName, "pause", string(r.c.ID), facts{"turns": turns}); err != nil {
		return err
	}
	return r.alert(AlertPaused, "", "", "This conversation is paused: "+turns+" turns of talk without a task that changed, a new file or a word from the person. "+
		"Only a person can resume it, with `agentbridge resume`. Until then agents can read, say how they are and finish what they hold.")
}
