package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"agentbridge/internal/agent"
	"agentbridge/internal/bridge"
	"agentbridge/internal/clients"
)

// How long a hook takes at the most. Its client waits for it, and its start is not in this.
const (
	hookDeadline = 80 * time.Millisecond
	callDeadline = 40 * time.Millisecond // of that, for what the client says on stdin

	drainDeadline = 50 * time.Millisecond // after it answered, for the rest of what the client says
)

func (p *program) hookCommand() *cobra.Command {
	var server, wait string
	cmd := &cobra.Command{
		Use:   "hook CLIENT EVENT",
		Short: "Tell a client's model that messages wait: what the client runs as a hook",
		Long: `Tell a client's model that messages wait for it. A client runs it as a hook; "agentbridge install" writes that into its settings.

CLIENT is claude, codex, gemini or cursor. EVENT is
  session-start   a session begins: what waits is told
  prompt          the user said something: what waits is told beside it (Cursor has no place for that)
  tool            a tool was used: what came meanwhile is told
  turn-end        the model wants to stop: it is kept going once for what it has not read
  idle            Claude Code alone, as a hook with "asyncRewake": true for Stop and SessionStart: waits in the background, for --wait
                  at the most, and wakes the model with exit status 2 when something comes
or the client's own name for it: Stop, AfterAgent, UserPromptSubmit, …

It reads what the client says on stdin, and answers in the client's own form on stdout: how many messages, from which members, and to
call check_messages. What they say is not in it. While nothing waits it says nothing. The same messages are not told twice.

The agent is the one of --as, or of AGENTBRIDGE_TOKEN, or else that of the project's directory, as for "agentbridge mcp". Where there is
no such agent, no store, or no answer within a tenth of a second, the hook lets its client go on: it makes nothing, and is not an error.`,
		Example: `  agentbridge hook claude turn-end
  agentbridge hook claude idle --wait 12h
  agentbridge hook codex Stop --as beta --server https://hub.example`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			defer func() { err = harmless(err, recover()) }()
			if err := count(2, 2, "CLIENT and EVENT")(cmd, args); err != nil {
				return p.misused(err)
			}
			h, err := clients.ParseHook(args[0], args[1])
			if err != nil {
				return p.misused(err)
			}
			long, err := parseDuration(wait)
			if err != nil || long <= 0 {
				return p.misused(bridge.Errorf(bridge.Invalid, "hook: --wait must be a duration such as 10m"))
			}
			if h.Event == clients.Idle {
				return p.await(cmd.Context(), h, server, min(long, mostWait))
			}
			return p.hook(cmd.Context(), h, server)
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			switch len(args) {
			case 0:
				return clients.HookClients, cobra.ShellCompDirectiveNoFileComp
			case 1:
				var events []string
				for _, e := range clients.Events {
					events = append(events, string(e))
				}
				return events, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
	}
	p.asFlag(cmd)
	cmd.Flags().Lookup("as").Usage = "the agent to look for (default: that of the project's directory); none is made"
	cmd.Flags().StringVar(&server, "server", "", "address of a hub (default: where the agent joined, else the store of this machine)")
	cmd.Flags().StringVar(&wait, "wait", "12h", "how long idle waits, up to 1d")
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return p.misused(badFlag(cmd, err)) })
	return cmd
}

// misused says what is wrong with the command line. Its exit status is not that of other commands: clients take 2 for an order to stop.
func (p *program) misused(err error) error {
	fmt.Fprintf(p.stderr, "error: %s\n", bridge.AsError(err).Text())
	return exit(1)
}

// harmless lets the client go on, whatever happened to its hook. A panic would end it with 2.
func harmless(err error, panicked any) error {
	var said exit
	if panicked != nil || !errors.As(err, &said) {
		return nil
	}
	return said
}

// hook tells once what waits.
func (p *program) hook(ctx context.Context, h clients.Hook, server string) error {
	// Whatever hangs below, a disk or a lock of another's, the client does not: once answered, nobody is waiting.
	var answering atomic.Bool
	defer time.AfterFunc(hookDeadline, func() {
		if answering.CompareAndSwap(false, true) {
			os.Exit(0)
		}
	}).Stop()
	ctx, cancel := context.WithTimeout(ctx, hookDeadline-10*time.Millisecond)
	defer cancel()

	call, drained := p.called(callDeadline)
	defer drained()
	h, ok := h.For(call)
	if !ok || !h.Speaks() || call.Inner {
		return nil
	}
	look, err := p.look(ctx, h, call, server)
	if err != nil {
		return p.excuse(err)
	}
	defer look.close()
	now, err := agent.Waiting(ctx, look.from)
	if err != nil {
		return p.excuse(err)
	}
	if now.Unread == 0 {
		return nil
	}
	tell, err := look.told.decide(ctx, func(t clients.Told) (bool, clients.Told) { return h.Tell(t, call, now) })
	if err != nil && call.Continued {
		return p.excuse(err) // who cannot remember must not go on for ever
	}
	words := h.Output(clients.Notice(now))
	if tell && answering.CompareAndSwap(false, true) {
		_, _ = p.stdout.Write(words) // whoever does not listen any more need not be told
	}
	return nil
}

// called reads what the client says, for so long at the most. drained waits for the rest of it, for drainDeadline at the most: a client may be
// hurt by a hook that does not listen to its end.
func (p *program) called(wait time.Duration) (c clients.Call, drained func()) {
	if f, ok := p.stdin.(*os.File); ok && isTerminal(f) {
		return c, func() {}
	}
	read, end := make(chan clients.Call, 1), make(chan struct{})
	in := &heard{Reader: p.stdin}
	go func() {
		defer close(end)
		var c clients.Call
		defer func() {
			if recover() != nil {
				read <- c
			}
		}()
		c, whole := clients.ReadCall(in)
		read <- c
		if !whole {
			_, _ = io.Copy(io.Discard, in)
		}
	}()
	late := time.NewTimer(wait)
	defer late.Stop()
	select {
	case c = <-read:
	case <-late.C:
	}
	return c, func() {
		rest := drainDeadline
		if !in.any.Load() {
			rest = 0 // it says nothing, so there is no rest of it
		}
		moment := time.NewTimer(rest)
		defer moment.Stop()
		select {
		case <-end:
		case <-moment.C:
		}
	}
}

// heard knows whether anything was read.
type heard struct {
	io.Reader
	any atomic.Bool
}

func (h *heard) Read(b []byte) (int, error) {
	n, err := h.Reader.Read(b)
	if n > 0 {
		h.any.Store(true)
	}
	return n, err
}

// excuse says in a line why a hook is silent, where something is wrong that a person may want to know of, and lets the client go on.
// Only the code is told: paths and addresses may hold what is nobody's business, and masking them takes its time.
func (p *program) excuse(err error) error {
	code := bridge.Unavailable // the network's own errors have none
	if e, ok := errors.AsType[*bridge.Error](err); ok {
		code = e.Code
	}
	switch {
	case code == bridge.NotFound: // no bridge here
	case errors.Is(err, context.Canceled):
	case errors.Is(err, context.DeadlineExceeded):
		fmt.Fprintln(p.stderr, "agentbridge hook: the bridge did not answer in time")
	default:
		fmt.Fprintf(p.stderr, "agentbridge hook: %s; agentbridge doctor says more\n", code)
	}
	return nil
}

// quiet keeps warnings of what is read on the way off the client's screen.
func (p *program) quiet() { p.log = slog.New(slog.DiscardHandler) }
