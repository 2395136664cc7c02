package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/workload"
)

// The work of the demo, as its orchestrator sees it.

// work lasts until all tasks are done and those who fell out are back.
func (d *demo) work(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	working, finish := context.WithCancel(ctx)
	defer finish()
	d.began = time.Now()
	var wg sync.WaitGroup
	for _, h := range d.crew {
		wg.Go(func() {
			if err := h.work(working); working.Err() == nil {
				cancel(err)
			}
		})
	}
	wg.Go(func() { d.count(working) })
	if err := d.watch(ctx); err != nil {
		cancel(err)
	}
	finish()
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return d.goodbye(ctx)
}

// count keeps the line up to date that says how far the work is.
func (d *demo) count(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		text := ""
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
		d.mu.Lock()
		if ctx.Err() == nil {
			text = fmt.Sprintf("%.1f s: %d of %d done", time.Since(d.began).Seconds(), d.ended(), len(d.tasks))
		}
		d.progress(text)
		d.mu.Unlock()
		if text == "" {
			return
		}
	}
}

// ended counts the tasks that are done, for whoever holds mu.
func (d *demo) ended() (n int) {
	for _, s := range d.tasks {
		n += s.ends
	}
	return n
}

// at shows what somebody did, with the time since the work began. Whoever calls it holds mu.
func (d *demo) at(who, format string, args ...any) {
	d.show("%5.1f s  %-5s %s", time.Since(d.began).Seconds(), who, fmt.Sprintf(format, args...))
}

// watch is what the orchestrator does: it takes what the bridge tells it until all is done.
func (d *demo) watch(ctx context.Context) error {
	for {
		res, err := messages(ctx, d.lead, d.id, 1)
		if err != nil {
			return errors.Join(context.Cause(ctx), err)
		}
		for _, m := range res.Messages {
			if text := workload.Unframed(m.Text); m.From == bridge.ProgramName && !strings.HasPrefix(text, "Task ") {
				if err := d.told(ctx, text); err != nil {
					return err
				}
			}
		}
		d.mu.Lock()
		over := d.ended() == len(d.tasks) && !slices.ContainsFunc(d.crew, func(h *hand) bool {
			return (h.name == killed || h.name == hung) && !h.fell || h.name == killed && !h.back
		})
		d.mu.Unlock()
		if over {
			return nil
		}
	}
}

// told takes an alert.
func (d *demo) told(ctx context.Context, text string) error {
	d.mu.Lock()
	d.at("bridge", "%s", d.p.style(yellow, "tells lead: "+text))
	i := slices.IndexFunc(d.crew, func(h *hand) bool { return strings.HasPrefix(text, h.name+" ") })
	expected := i >= 0 && d.crew[i].name == killed && !d.crew[i].back
	if expected {
		h := d.crew[i]
		select {
		case <-h.missed:
			h.back = true
		default:
			close(h.missed)
		}
	}
	d.mu.Unlock()
	if err := promise(expected, "no alert but for %s: %s", killed, text); err != nil {
		return err
	}
	return d.look(ctx)
}

// look shows what the orchestrator sees of its workers.
func (d *demo) look(ctx context.Context) error {
	var seen bridge.PartnersResult
	if err := d.lead.Call(ctx, "check_partners", map[string]any{"conversation_id": d.id}, &seen); err != nil {
		return err
	}
	var all []string
	for _, s := range seen.Partners {
		all = append(all, fmt.Sprintf("%s %s", s.Name, s.Liveness))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at("lead", "sees: %s", strings.Join(all, ", "))
	return nil
}

// goodbye has everybody say that they are through, so that nobody is missed.
func (d *demo) goodbye(ctx context.Context) error {
	players := []*workload.Player{d.lead}
	for _, h := range d.crew {
		players = append(players, h.player)
	}
	for _, p := range players {
		if err := p.Call(ctx, "update_status", map[string]any{"conversation_id": d.id, "status": "complete"}, &bridge.StatusResult{}); err != nil {
			return err
		}
	}
	return nil
}
