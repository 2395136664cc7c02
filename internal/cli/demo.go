package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
	"agentbridge/internal/workload"
)

func (p *program) demoCommand() *cobra.Command {
	var keep string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "An orchestrator and four workers on a real bridge: one dies, one hangs",
		Long: `Five real MCP clients, each with its own "agentbridge mcp" process, do twelve tasks on a throwaway bridge. They talk, a secret is masked,
a process is killed and its task and its mail move on, a client hangs and comes too late, and the audit log is verified. What was promised is
checked against what the clients saw: exit 1 if any of it was not kept.`,
		Args: count(0, 0, "none"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), time.Minute)
			defer cancel()
			for _, flag := range []string{"data", "store"} {
				if cmd.Flags().Changed(flag) {
					return bridge.Errorf(bridge.Invalid, "the demo has a store of its own, and not that of --%s", flag).WithHint("name a directory for it with --keep DIR")
				}
			}
			dir := keep
			if keep == "" {
				var err error
				if dir, err = os.MkdirTemp("", "agentbridge-demo-"); err != nil {
					return bridge.Errorf(bridge.Unavailable, "make a directory for the demo: %w", err).WithHint("name one with --keep DIR")
				}
				defer os.RemoveAll(dir)
			}
			return p.demo(ctx, dir, keep != "")
		},
	}
	cmd.Flags().StringVar(&keep, "keep", "", "use this data directory, and leave it for you to look at")
	cmd.MarkFlagDirname("keep")
	return cmd
}

// hasty are the timers of the demo's processes that a reader would not wait for. All others are the defaults.
var hasty = []string{"AGENTBRIDGE_TASK_LEASE=4s", "AGENTBRIDGE_IDLE_AFTER=2s", "AGENTBRIDGE_SWEEP_EVERY=1s"}

// demo is the story. A promise that is not kept ends it.
type demo struct {
	p       *program
	program workload.Program // this one, over the demo's directory
	dir     string
	lead    *workload.Player
	crew    []*hand
	id      bridge.ConversationID
	greeted bridge.MessageID

	mu     sync.Mutex // guards output and all below
	began  time.Time  // of the work
	tasks  []*step
	by     map[bridge.TaskID]*step
	notice string // the line that tells how far the work is; empty: none is shown
}

// ownStore is the store in a directory, whatever the environment names.
func ownStore(dir string) string { return "sqlite:" + filepath.Join(dir, storeFile) }

func (p *program) demo(ctx context.Context, dir string, kept bool) (err error) {
	began := time.Now()
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own program: %w", err)
	}
	d := &demo{p: p, dir: dir, program: workload.Program{Path: self, Data: dir, Env: append(hasty, "AGENTBRIDGE_LOG=error", variable("store")+"="+ownStore(dir)), Stderr: p.stderr}, by: map[bridge.TaskID]*step{}}
	defer func() { err = errors.Join(err, d.leave()) }()
	for n, scene := range []struct {
		title string
		play  func(context.Context) error
	}{
		{"an orchestrator and four workers start: five MCP clients, five `agentbridge mcp` processes, no daemon", d.start},
		{"the orchestrator creates a conversation; the workers take their seats, by name", d.meet},
		{"the workers wait for messages; the orchestrator greets them, and forgets a token in the text", d.greet},
		{"the orchestrator hands out twelve tasks, some after others", d.plan},
		{"the work", d.work},
		{"who did what", d.account},
		{"the audit log is verified", d.verify},
	} {
		p.printf("%s\n", p.style(bold, fmt.Sprintf("%d. %s", n+1, scene.title)))
		if err := p.flush(); err != nil {
			return err
		}
		if err := scene.play(ctx); err != nil {
			return fmt.Errorf("scene %d: %w", n+1, err)
		}
	}
	p.printf("\nall promises kept, in %.1f s\n", time.Since(began).Seconds())
	if kept {
		p.printf("look inside:  agentbridge --data %s task list --as lead\n              agentbridge --data %s audit show\n", dir, dir)
	} else {
		p.printf("look inside:  agentbridge demo --keep DIR, then agentbridge --data DIR show\n")
	}
	p.printf("use it:       name `agentbridge mcp --as NAME` as a server in your MCP client\n")
	return p.flush()
}

// leave ends the processes that are there.
func (d *demo) leave() (err error) {
	if d.lead != nil {
		err = d.lead.Leave()
	}
	for _, h := range d.crew {
		if h.player != nil {
			err = errors.Join(err, h.player.Leave())
		}
	}
	return err
}

// see shows what happened.
func (d *demo) see(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.show(format, args...)
}

// show is see for whoever holds mu.
func (d *demo) show(format string, args ...any) {
	d.hide()
	d.p.printf("   "+format+"\n", args...)
	d.p.flush() // a failure is told at the end of the scene
	if d.notice != "" {
		fmt.Fprintf(d.p.stderr, "   %s", d.p.style(dim, d.notice))
	}
}

// progress changes the line that tells on a terminal how far the work is; empty ends it.
func (d *demo) progress(text string) {
	if !isTerminal(d.p.stderr) {
		return
	}
	d.hide()
	if d.notice = text; text != "" {
		fmt.Fprintf(d.p.stderr, "   %s", d.p.style(dim, text))
	}
}

// hide takes that line away.
func (d *demo) hide() {
	if d.notice != "" {
		fmt.Fprint(d.p.stderr, "\r\x1b[2K")
	}
}

// promise is an error if a promise was not kept.
func promise(kept bool, what string, args ...any) error {
	if kept {
		return nil
	}
	return bridge.Errorf(bridge.Internal, "not as promised: "+what, args...).WithHint("please report it, with the output of agentbridge doctor")
}
