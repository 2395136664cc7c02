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
	At    time.Time `json:"at"`    // when somebody last swept
	Until time.Time `json:"until"` // when it stopped before that
	Epoch time.Time `json:"epoch"` // when it began anew, after a gap or a clock jump
}

const metaWatch = "watch"

func readWatch(tx Tx) (w watch, err error) {
	raw, err := tx.Meta(metaWatch)
	if errors.Is(err, NotFound) {
		return w, nil
	}
	if err != nil {
		return w, err
	}
	if err := json.Unmarshal(raw, &w); err != nil {
		return w, fmt.Errorf("read meta %s: %w", metaWatch, err)
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

// noteWatch notes that somebody is watching now, and gives the gap after which timers begin anew; 0: there was none.
func (s *Service) noteWatch(tx Tx) (gap time.Duration, err error) {
	w, err := readWatch(tx)
	if err != nil {
		return 0, err
	}
	now := tx.Now()
	// Whoever sweeps all the time, however seldom, leaves no gap; but a process that begins and finds that nobody has watched lately
	// knows that those who need one for their heartbeats could not show themselves, as when a hub is started anew.
	longest := jump + watchEvery
	if !s.sweeping.Load() {
		longest = 2 * watchEvery
	}
	if d := now.Sub(w.At); !w.At.IsZero() && (d > longest || d < -jump) {
		gap = d.Round(time.Second)
		w.Until, w.Epoch = w.At, now
		if err := recordDeployment(tx, ProgramName, "clock", "watch", facts{"gap": gap.String()}); err != nil {
			return 0, err
		}
		if d < 0 {
			if err := unforesee(tx); err != nil {
				return 0, err
			}
		}
	}
	w.At = now
	raw, err := json.Marshal(w)
	if err != nil {
		return 0, err
	}
	if err := errors.Join(tx.DropPresence(now.Add(-presenceKept)), tx.DropSendings(now.Add(-alertKnown))); err != nil {
		return 0, err
	}
	return gap, tx.PutMeta(metaWatch, raw)
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

// watched says which time counts for leases and silence: that before until, and that since epoch. In between nobody watched, or the
// clock jumped. The zero value counts all.
type watched struct{ until, epoch time.Time }

// watching tells what this process and the store know of the watching.
func watching(tx Tx) (watched, error) {
	w, err := readWatch(tx)
	if err != nil {
		return watched{}, err
	}
	in := watched{until: w.Until, epoch: w.Epoch}
	if e := tx.Epoch(); e.After(in.epoch) || in.epoch.After(tx.Now()) {
		in = watched{until: w.At, epoch: e} // this process saw a jump that no sweep has noted yet
	}
	return in, nil
}

// counted is the moment from which the age of something noted at t counts. What is a little ahead was noted just now, by a
// transaction that read the clock later than this one. What is far ahead was noted before the clock was set back.
func (w watched) counted(t, now time.Time) time.Time {
	switch ahead := t.Sub(now); {
	case ahead > 0 && (ahead <= jump || w.epoch.IsZero()):
		return now
	case ahead > 0:
		return w.epoch
	case t.Before(w.epoch):
		return w.epoch.Add(-max(0, w.until.Sub(t)))
	}
	return t
}
