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
	if err != nil || !due {
		return err
	}
	return s.store.Update(ctx, Deployment, func(tx Tx) error {
		w, err := readWatch(tx)
		if err != nil {
			return err
		}
		gap := tx.Now().Sub(w.At)
		if !w.At.IsZero() && (gap > jump+watchEvery || gap < -jump) {
			w.Until, w.Epoch = w.At, tx.Now()
			if err := recordDeployment(tx, ProgramName, "clock", "watch", facts{"gap": gap.Round(time.Second).String()}); err != nil {
				return err
			}
			s.log.Info("clock jumped, or nobody was watching; leases and silence count from now", "gap", gap)
		}
		w.At = tx.Now()
		raw, err := json.Marshal(w)
		if err != nil {
			return err
		}
		if err := tx.DropPresence(tx.Now().Add(-presenceKept)); err != nil {
			return err
		}
		return tx.PutMeta(metaWatch, raw)
	})
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
