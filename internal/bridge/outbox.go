package bridge

import (
	"context"
	"errors"
	"time"
)

// How alerts reach sinks. doc/decisions/0010-alerts.md says why.
const (
	alertTried   = 24 * time.Hour // a sink is offered an alert for so long
	alertKnown   = 48 * time.Hour // and it is known for so long that it has it
	alertFirst   = time.Hour      // a sink that was never asked about is given what is no older
	alertRetry   = 5 * time.Second
	alertSlowest = 10 * time.Minute
	alertBatch   = 20              // at once
	alertHeld    = 2 * time.Minute // until then whoever took an alert may still be sending it
)

// TakeAlerts gives the alerts that are due for a sink, oldest first, and sees to it that nobody else is given them for two minutes.
// Whoever takes them sends within that time what it can and calls, for each, [Service.AlertTaken] if it arrived and
// [Service.AlertMissed] if it did not, or was not sent for want of time: then it may not send it any more. One of which neither is said, because the process died, is due again after the two minutes. So a sink is given an alert at
// least once, and knows a double by its id. It is tried for a day.
//
// A sink begins an hour before it is first asked about.
func (s *Service) TakeAlerts(ctx context.Context, sink string) ([]Alert, error) {
	if err := s.checkName("the sink's name", sink); err != nil {
		return nil, err
	}
	var any bool
	err := s.store.View(ctx, func(tx Tx) error {
		due, began, err := dueAlerts(tx, sink)
		any = len(due) > 0 || !began
		return err
	})
	if err != nil || !any {
		return nil, err
	}
	return commit(ctx, s.store.Jot, Deployment, func(tx Tx) ([]Alert, error) {
		due, began, err := dueAlerts(tx, sink)
		if err != nil {
			return nil, err
		}
		if !began {
			if err := tx.PutMeta(metaSink+sink, []byte(tx.Now().Format(time.RFC3339Nano))); err != nil {
				return nil, err
			}
		}
		var taken []Alert
		for _, d := range due[:min(len(due), alertBatch)] {
			d.NextAt = tx.Now().Add(alertHeld)
			d.Attempts++
			if err := tx.PutSending(d.Sending); err != nil {
				return nil, err
			}
			taken = append(taken, d.alert)
		}
		return taken, nil
	})
}

// metaSink is, with the sink's name, when somebody first asked what is due for it.
const metaSink = "sink/"

// backoff is how long after a try, before which there were so many, the next may be.
func backoff(attempts int) time.Duration {
	d := alertRetry
	for range min(attempts, 10) {
		d *= 2
	}
	return min(d, alertSlowest)
}

type dueAlert struct {
	Sending
	alert Alert
}

// dueAlerts gives what is due for a sink now, oldest first, and whether somebody asked for it before.
func dueAlerts(tx Tx, sink string) (due []dueAlert, began bool, err error) {
	now := tx.Now()
	from, err := sinkBegan(tx, sink)
	if err != nil {
		return nil, false, err
	}
	if began = !from.IsZero(); !began {
		from = now
	}
	from = from.Add(-alertFirst)
	if oldest := now.Add(-alertTried); from.Before(oldest) {
		from = oldest
	}
	alerts, err := tx.Alerts(from, 0)
	if err != nil || len(alerts) == 0 {
		return nil, began, err
	}
	sendings, err := tx.Sendings(sink)
	if err != nil {
		return nil, began, err
	}
	tried := map[AlertID]Sending{}
	for _, d := range sendings {
		tried[d.Alert] = d
	}
	for _, a := range alerts {
		d, ok := tried[a.ID]
		if !ok {
			d = Sending{Sink: sink, Alert: a.ID}
		}
		// What lies further ahead than it ever would was noted before the clock was set back.
		waits := d.NextAt.After(now) && d.NextAt.Sub(now) <= alertSlowest
		if d.DoneAt.IsZero() && !waits {
			due = append(due, dueAlert{d, a})
		}
	}
	return due, began, nil
}

// sinkBegan is when somebody first asked for a sink's alerts; zero: nobody did.
func sinkBegan(tx Tx, sink string) (time.Time, error) {
	raw, err := tx.Meta(metaSink + sink)
	if errors.Is(err, NotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	return time.Parse(time.RFC3339Nano, string(raw))
}

// AlertTaken notes that a sink took an alert: it is not given again. Noting it twice is not an error.
func (s *Service) AlertTaken(ctx context.Context, sink string, id AlertID) error {
	return s.sending(ctx, sink, id, func(d *Sending, now time.Time) { d.DoneAt = now })
}

// AlertMissed notes that a sink did not take an alert: it is due again 5 s from now, after the next time 10 s, and so on up to 10 minutes.
func (s *Service) AlertMissed(ctx context.Context, sink string, id AlertID) error {
	return s.sending(ctx, sink, id, func(d *Sending, now time.Time) { d.NextAt = now.Add(backoff(d.Attempts - 1)) })
}

// sending changes what is kept of an alert that was taken for a sink and has not arrived.
func (s *Service) sending(ctx context.Context, sink string, id AlertID, change func(*Sending, time.Time)) error {
	return s.store.Jot(ctx, Deployment, func(tx Tx) error {
		all, err := tx.Sendings(sink)
		if err != nil {
			return err
		}
		for _, d := range all {
			if d.Alert == id && d.DoneAt.IsZero() {
				change(&d, tx.Now())
				return tx.PutSending(d)
			}
		}
		return nil
	})
}

// AlertsSince gives the alerts raised at or after a time, oldest first.
func (s *Service) AlertsSince(ctx context.Context, since time.Time) (list []Alert, err error) {
	err = s.store.View(ctx, func(tx Tx) error {
		list, err = tx.Alerts(since, 0)
		return err
	})
	return list, err
}
