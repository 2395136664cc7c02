package daemon

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"agentbridge/internal/bridge"
)

const (
	noteTime = 5 * time.Second  // for noting that a sink took an alert, also when the process is ending
	rowTime  = 80 * time.Second // after being taken, no alert begins to be sent: with the slowest sink and the noting, the two minutes of the outbox are over
)

// A Sink is a place outside to which alerts go.
type Sink struct {
	Kind string // "webhook" or "command", for metrics
	Name string // what the outbox knows it by: the same in each process with the same sink, and another for another sink

	// Send gives an alert to the sink; nil means that the sink has it. It returns soon after ctx ended. Its error's text may be logged.
	Send func(ctx context.Context, a bridge.Alert) error
}

// Command is the sink that runs a command line for each alert, by [RunCommand], with the alert's JSON and a newline to read. An exit
// status of 0 takes the alert. Mask redacts the end of what a failed command wrote, for the log.
func Command(command string, mask func(string) string) Sink {
	return Sink{Kind: "command", Name: sinkName("command", command), Send: func(ctx context.Context, a bridge.Alert) error {
		line, err := json.Marshal(a)
		if err != nil {
			return err
		}
		return Masked(RunCommand(ctx, command, append(line, '\n')), mask)
	}}
}

// sinkName names a sink by its kind and by where it leads, which may be a secret and cannot be told from the name.
func sinkName(kind, target string) string {
	sum := sha256.Sum256([]byte(target))
	return kind + "-" + hex.EncodeToString(sum[:4])
}

// Masked adds to a [CommandError] the end of what the command wrote, as one line of redacted text, fit for a log. Other errors it
// returns as they are.
func Masked(err error, mask func(string) string) error {
	failed, ok := errors.AsType[*CommandError](err)
	if !ok || failed.Output == "" {
		return err
	}
	wrote := bytes.Join(bytes.Fields([]byte(mask(failed.Output))), []byte(" "))
	if over := len(wrote) - webhookReason; over > 0 {
		wrote = append([]byte("…"), bytes.ToValidUTF8(wrote[over:], nil)...)
	}
	return fmt.Errorf("%w; it wrote %q", err, wrote)
}

// deliver is one pass for one sink: it gives it what is due, what is about one member in order and the rest at once, so that one slow
// answer does not make all others late. What the sink does not take is due again later, here or in another process, so an alert may
// come twice; it is logged once for each try. What a slow sink leaves no time for is due again, too, before the outbox gives it away.
func (w *Watchdog) deliver(ctx context.Context, sink Sink) {
	taken := time.Now()
	due, err := w.Service.TakeAlerts(ctx, sink.Name)
	if err != nil {
		w.warn(ctx, "take alerts", "sink", sink.Name, "error", err)
		return
	}
	type about struct {
		conversation bridge.ConversationID
		member       string
	}
	rows := map[about][]bridge.Alert{}
	for _, a := range due {
		at := about{a.Conversation, a.Member}
		rows[at] = append(rows[at], a)
	}
	var wg sync.WaitGroup
	for _, row := range rows {
		wg.Go(func() {
			for _, a := range row {
				if time.Since(taken) >= rowTime {
					w.note(ctx, sink, a, w.Service.AlertMissed)
					continue
				}
				w.send(ctx, sink, a)
			}
		})
	}
	wg.Wait()
}

// send gives one alert to a sink, and notes what came of it, also where this process is ending.
func (w *Watchdog) send(ctx context.Context, sink Sink, a bridge.Alert) {
	err := ctx.Err()
	if err == nil {
		err = sink.Send(ctx, a)
	}
	note := w.Service.AlertTaken
	switch {
	case err != nil && ctx.Err() != nil: // interrupted, which is no failure of the sink
		note = w.Service.AlertMissed
	case err != nil:
		w.Metrics.sent(sink.Kind, err)
		w.Log.Warn("alert not taken, it is tried again", "sink", sink.Name, "alert", a.ID, "error", err)
		note = w.Service.AlertMissed
	default:
		w.Metrics.sent(sink.Kind, nil)
	}
	w.note(ctx, sink, a, note)
}

// note notes what became of an alert, also where this process is ending.
func (w *Watchdog) note(ctx context.Context, sink Sink, a bridge.Alert, note func(context.Context, string, bridge.AlertID) error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTime)
	defer cancel()
	if err := note(ctx, sink.Name, a.ID); err != nil {
		w.Log.Warn("note what became of an alert; it may come late or twice", "sink", sink.Name, "alert", a.ID, "error", err)
	}
}
