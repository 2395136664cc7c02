package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"agentbridge/internal/agent"
	"agentbridge/internal/bridge"
	"agentbridge/internal/clients"
)

const (
	mostWait = 24 * time.Hour
	// hookPatience is how long what came must wait before an idle model is woken for it. The hook of the turn's end, which runs at the same
	// time, is to be the first, and so is a check_messages that waits, also as an MCP task whose client asks again half a second later:
	// the model would be woken twice.
	hookPatience = 800 * time.Millisecond
	hookRetry    = 5 * time.Second
	watchParents = time.Second
)

var errWoken = errors.New("the model is woken")

// await waits in the background of an idle client and wakes its model when something waits that it was not told of. It ends by itself
// when the time is over, its client dies, the token is not good, or the session starts another one.
func (p *program) await(ctx context.Context, h clients.Hook, server string, wait time.Duration) error {
	parents := lineage()
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	call, _ := p.called(time.Second)
	if call.Inner || once() {
		return nil
	}
	look, err := p.look(ctx, h, call, server)
	if err != nil {
		return p.excuse(err)
	}
	defer look.close()
	seat := look.told.seat()
	defer seat.leave()
	done := make(chan struct{})
	defer func() { cancel(); <-done }()
	go func() {
		defer close(done)
		defer cancel()
		for tick := time.NewTicker(watchParents); ; {
			select {
			case <-tick.C:
			case <-ctx.Done():
				tick.Stop()
				return
			}
			if lineage() != parents || seat.taken() {
				return
			}
		}
	}()
	var now bridge.KeepAlive
	for pause := time.Duration(0); ; pause = hookRetry {
		if sleep(ctx, pause) != nil {
			return nil
		}
		err := agent.Await(ctx, look.from, func(k bridge.KeepAlive) error {
			if k.Unread == 0 {
				return nil
			}
			err := sleep(ctx, hookPatience)
			if err == nil {
				k, err = agent.Waiting(ctx, look.from)
			}
			if err != nil || k.Unread == 0 {
				return err // somebody has it
			}
			tell, err := look.told.decide(ctx, func(t clients.Told) (bool, clients.Told) { return h.Tell(t, call, k) })
			if err != nil || !tell {
				return nil // who cannot remember would wake it for ever
			}
			now = k
			return errWoken
		})
		switch {
		case errors.Is(err, errWoken):
			fmt.Fprintln(p.stderr, clients.Notice(now))
			return exit(clients.Wake)
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, bridge.Denied), errors.Is(err, bridge.Expired), errors.Is(err, bridge.Invalid), errors.Is(err, bridge.NotFound):
			return p.excuse(err)
		}
	}
}

// sleep waits, and gives an error if ctx ends first.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// once reports whether Claude Code answers one prompt and ends, as with claude -p. It runs no hook in the background then, but waits
// for all of them [tried with 2.1.330].
func once() bool { return os.Getenv("CLAUDE_CODE_ENTRYPOINT") == "sdk-cli" }

// seat is the place of the one hook that waits for a session. Whoever comes last has it.
type seat struct {
	path string
	mine fs.FileInfo // nil: there is no place to be had, and nobody else can take it
}

func (f toldFile) seat() seat {
	s := seat{path: f.path + ".idle"}
	dir, pattern := filepath.Split(s.path)
	if os.MkdirAll(dir, 0o700) != nil {
		return s
	}
	made, err := os.CreateTemp(dir, pattern+"-*")
	if err != nil {
		return s
	}
	info, err := made.Stat()
	made.Close()
	if err == nil {
		os.SameFile(info, info) // some systems look for what tells files apart only when they are compared
		err = os.Rename(made.Name(), s.path)
	}
	if err != nil {
		os.Remove(made.Name())
		return s
	}
	s.mine = info
	return s
}

// taken reports whether another hook of the session has the place.
func (s seat) taken() bool {
	if s.mine == nil {
		return false
	}
	info, err := os.Stat(s.path)
	return err != nil || !os.SameFile(info, s.mine)
}

func (s seat) leave() {
	if s.mine != nil && !s.taken() {
		_ = os.Remove(s.path)
	}
}
