package agent

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"syscall"

	"agentbridge/internal/bridge"
	"agentbridge/internal/mcpserver"
)

// RemoteRun says whose process this is, at which hub, and who its client is.
type RemoteRun struct {
	Remote *Remote
	Server *mcpserver.Server // over Remote
	Name   string            // whose token it must be; empty: anybody's
	In     io.ReadCloser     // the client's requests
	Out    io.WriteCloser    // the answers
	Say    func(line string) // told in one line when the hub is away, and when it is back; nil: nobody is told
	Log    *slog.Logger      // nil: silent
}

// RunRemote is [Run] for an agent whose bridge is a hub: it serves the client until it hangs up or ctx ends, which is no error, or until
// the hub does not accept the token any more, which is. A hub that is away ends nothing. It closes In and Out.
func RunRemote(ctx context.Context, o RemoteRun) error {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	caller := bridge.Caller{Instance: "remote"} // of the one client; the hub knows the agent by its token
	connected, end := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		var told bool // until the hub is away: that all is well is no news
		err := KeepAlive(connected, KeepAliveOptions{From: o.Remote.hub, Name: o.Name, Say: func(line string, news bool) {
			told = told || !strings.HasPrefix(line, "connected")
			if news && told && o.Say != nil {
				o.Say(line)
			}
		}})
		if err != nil {
			end(err)
		}
	})
	err := o.Server.ServeStdio(connected, caller, o.In, o.Out)
	end(nil)
	wg.Wait()
	bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	if err := o.Remote.Close(bye, caller); err != nil {
		o.Log.Info("give back what was not acked", "error", err)
	}
	if cause := context.Cause(connected); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return err
}
