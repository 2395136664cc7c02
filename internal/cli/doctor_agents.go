package cli

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"agentbridge/internal/bridge"
)

// examineListener tells whether anything of an agent is there to hear, and whether it reads what waits for it. It takes and acks
// nothing.
func (o *opened) examineListener(ctx context.Context, c bridge.Caller, d *diagnosis) {
	now, err := o.svc.Waiting(ctx, c)
	if err != nil {
		d.bad("agent "+c.Name(), err)
		return
	}
	what, waits := "agent "+c.Name()+", listener", some(now.Unread, "unread message", "unread messages")
	lives := o.lives(ctx, c.Name())
	switch {
	case !lives && now.Unread == 0:
		d.good(what, "%s now: no process of it lives; nothing waits for it", noListener)
	case !lives:
		d.good(what, "%s now: no process of it lives; %s till its client is started, or `agentbridge check --as %s`", noListener, waits, c.Name())
	case now.Unread == 0 || now.NewestAt == nil:
		d.good(what, "a process of it lives; nothing waits for it")
	default:
		unread := time.Since(*now.NewestAt)
		if unread < o.conf.Bridge.IdleAfter {
			d.good(what, "a process of it lives; %s, the newest for %s", waits, showDuration(unread.Round(time.Second)))
			return
		}
		e := bridge.Errorf(bridge.Unavailable, "a process of it lives, and %s, the newest for %s", waits, showDuration(unread.Round(time.Second))).
			WithHint("say anything to it in its client; if its hooks are missing, agentbridge install puts them there")
		d.Findings = append(d.Findings, finding{What: what, Kind: deafness, Says: deafness + ": " + e.Message, Hint: e.Hint})
	}
}

// lives reports whether a process holds an agent's name.
func (o *opened) lives(ctx context.Context, name string) bool {
	// Or one that starts meanwhile would take our look for a holder.
	release, err := lockFile(ctx, filepath.Join(o.conf.Data, agentsDir, making))
	if err != nil {
		return false
	}
	defer release()
	f, err := os.OpenFile(filepath.Join(o.conf.Data, agentsDir, name+lockSuffix), os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	if tryLock(f, true) {
		unlock(f)
		return false
	}
	return true
}
