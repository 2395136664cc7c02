package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// watchEvery is how often it is noted that somebody watches.
const watchEvery = 15 * time.Second

// watch is what the store remembers of the watching itself.
type watch struct {
	At   time.Time `json:"at"`   // when somebody last swept
	Gaps watched   `json:"gaps"` // before that
}

// Bounds of the gaps that are remembered.
const (
	gapKept = maxTaskLease // of watched time: nothing that counts reaches back further
	gapsMax = 100
)

const metaWatch = "watch"

func readWatch(tx Tx) (w watch, err error) {
	raw, err := tx.Meta(metaWatch)
	if errors.Is(err, NotFound) {
		return w, nil
	}
	if err != nil {
		return w, err
	}
	var single gap // as it was written when only the last one was remembered
	if err := errors.Join(json.Unmarshal(raw, &w), json.Unmarshal(raw, &single)); err != nil {
		return w, fmt.Errorf("read meta %s: %w", metaWatch, err)
	}
	if !single.Epoch.IsZero() {
		w.Gaps = watched{single}
	}
	return w, nil
}

// watch notes that somebody is watching. After a gap, whether nobody watched or the clock jumped, timers begin anew: silence that
// nobody could have seen is no silence.
func (s *Service) watch(ctx context.Context) error {
	due := false
	err := s.store.View(ctx, func(tx Tx) error {
		w, err := readWatch(tx)
		gap := tx.Now().Sub(w.At)
		due = gap >= watchEvery || gap < 0
		return err
	})
	if err != nil {
		return err
	}
	if due {
		gap, err := commit(ctx, s.store.Update, Deployment, s.noteWatch)
		if err != nil {
			return err
		}
		if gap != 0 {
			s.log.Info("clock jumped, or nobody was watching; leases and silence count from now", "gap", gap)
		}
	}
	s.sweeping.Store(true)
	return nil
}

// noteWatch notes that somebody is watching now, and gives the length of the gap after which timers begin anew; 0: there was none.
func (s *Service) noteWatch(tx Tx) (away time.Duration, err error) {
	w, err := readWatch(tx)
	if err != nil {
		return 0, err
	}
	now := tx.Now()
	_, jumped := w.unnoted(tx)
	// Whoever sweeps all the time, however seldom, leaves no gap; but a process that begins and finds that nobody has watched lately
	// knows that those who need one for their heartbeats could not show themselves, as when a hub is started anew.
	longest := jump + watchEvery
	if !s.sweeping.Load() {
		longest = 2 * watchEvery
	}
	if d := now.Sub(w.At); !w.At.IsZero() && (d > longest || d < -jump || jumped) {
		away = d.Round(time.Second)
		w.Gaps = append(w.Gaps, gap{w.At, now})
		if err := recordDeployment(tx, ProgramName, "clock", "watch", facts{"gap": away.String()}); err != nil {
			return 0, err
		}
		if d < 0 {
			if err := unforesee(tx); err != nil {
				return 0, err
			}
		}
	}
	w.At, w.Gaps = now, w.Gaps.shortened(now)
	raw, err := json.Marshal(w)
	if err != nil {
		return 0, err
	}
	// One moment more than any charge counts.
	forgotten := now.Add(-s.conf.Limits.longestWindow() - time.Second)
	if err := errors.Join(tx.DropPresence(now.Add(-presenceKept)), tx.DropSendings(now.Add(-alertKnown)), tx.DropCharges(forgotten)); err != nil {
		return 0, err
	}
	return away, tx.PutMeta(metaWatch, raw)
}

// unforesee makes heartbeats that lie ahead, because the clock was set back, heartbeats of now. [Tx.TouchPresence] would leave them
// where they are until the clock is there again.
func unforesee(tx Tx) error {
	agents, err := tx.Agents()
	if err != nil {
		return err
	}
	for _, a := range agents {
		all, err := tx.Presence(a.ID)
		if err != nil {
			return err
		}
		for _, p := range all {
			if !p.HeartbeatAt.After(tx.Now()) {
				continue
			}
			p.HeartbeatAt = tx.Now()
			if err := tx.PutPresence(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// gap is a time in which nobody watched, or the clock jumped. Where the clock was set back it begins before it ends.
type gap struct {
	Until time.Time `json:"until"` // when the watching stopped
	Epoch time.Time `json:"epoch"` // when it began anew
}

func (g gap) back() bool { return g.Epoch.Before(g.Until) }

// watched says which time counts for leases and silence: all but these gaps, the newest last. The zero value counts all.
type watched []gap

// watching tells what this process and the store know of the watching.
func watching(tx Tx) (watched, error) {
	w, err := readWatch(tx)
	if err != nil {
		return nil, err
	}
	if g, ok := w.unnoted(tx); ok {
		return append(w.Gaps, g), nil
	}
	if w.newest().After(tx.Now()) {
		return nil, nil // the clock was set back while this process did not run: nothing is known of the time since
	}
	return w.Gaps, nil
}

// unnoted is the jump that this process saw and no sweep has noted yet.
func (w watch) unnoted(tx Tx) (gap, bool) {
	e, now := tx.Epoch(), tx.Now()
	forward := e.After(w.At)
	back := w.At.After(now) && (e.After(w.newest()) || w.newest().After(now))
	return gap{w.At, e}, !e.IsZero() && (forward || back)
}

// newest is when the watching last began anew.
func (w watch) newest() time.Time {
	if len(w.Gaps) == 0 {
		return time.Time{}
	}
	return w.Gaps[len(w.Gaps)-1].Epoch
}

// shortened forgets the gaps that nothing reaches back to any more. Of too many the oldest become one: what was watched between them
// does not count then.
func (w watched) shortened(now time.Time) watched {
	for len(w) > 0 && now.Sub(w.counted(w[0].Epoch, now)) > gapKept {
		w = w[1:]
	}
	for len(w) > gapsMax {
		w[1].Until = w[0].Until
		w = w[1:]
	}
	return w
}

// counted is the moment from which the age of something noted at t counts: t, moved on by every gap since. What is a little ahead was
// noted just now, by a transaction that read the clock later than this one. What is far ahead was noted before the clock was set back,
// and counts from then. Where a clock was set back and t came twice, it is the second that is meant.
func (w watched) counted(t, now time.Time) time.Time {
	ahead := t.Sub(now)
	if ahead > 0 && (ahead <= jump || len(w) == 0) {
		return now
	}
	since := 0
	for i, g := range w {
		if g.back() && !t.Before(g.Epoch) {
			since = i + 1
		}
	}
	if ahead > 0 {
		if since == 0 {
			since = len(w) // it was set back in a gap that was longer
		}
		t = w[since-1].Epoch
	}
	for _, g := range w[since:] {
		if t.Before(g.Epoch) {
			t = g.Epoch.Add(-max(0, g.Until.Sub(t)))
		}
	}
	return t
}
