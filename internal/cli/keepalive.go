package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"agentbridge/internal/agent"
	"agentbridge/internal/bridge"
	"agentbridge/internal/clients"
	"agentbridge/internal/daemon"
)

// What the command of --on-message is told: how many messages wait, and the names of who sent the newest of them.
const (
	unreadVariable = "AGENTBRIDGE_UNREAD"
	fromVariable   = "AGENTBRIDGE_FROM"
)

func (p *program) keepaliveCommand() *cobra.Command {
	var server, command, thread string
	cmd := &cobra.Command{
		Use:   "keepalive",
		Short: "Show that an agent is there, and run a command when messages wait for it",
		Long: `Show that an agent is there where its client cannot hold a connection, renew its token, and notice its messages. It goes on until
it is ended, whatever happens to the hub or the network meanwhile, and exits only where the token is not accepted any more.

It never counts as something that the agent's model did: it takes no message, and keeps no task from being given to another.

--on-message runs a command of yours with the shell when something new waits, once for what comes together. AGENTBRIDGE_UNREAD in its
environment, and the only line on its stdin, is how many messages wait, and AGENTBRIDGE_FROM who sent the newest of them, as
"alpha gamma"; what they say is for "agentbridge check". It has 30 seconds at a time. One that fails is run again after 5 seconds, then ever later; while messages wait still, it is run again every 10 minutes.

--codex-thread wakes an idle Codex: it runs "codex queue" for the thread with that id or exact name, with a message that says how many
messages wait, from whom, and to call check_messages. The codex on PATH is used. Codex takes it up when that session is open.

With --server it needs nothing of this machine but the agent's token: in AGENTBRIDGE_TOKEN, or DIR/agents/NAME.token in the data
directory.`,
		Example: `  agentbridge keepalive --as beta --on-message 'notify-send "$AGENTBRIDGE_UNREAD messages"'
  agentbridge keepalive --as beta --server http://127.0.0.1:7483`,
		Args: count(0, 0, "none"),
		RunE: func(cmd *cobra.Command, _ []string) error { return p.keepalive(cmd.Context(), server, command, thread) },
	}
	p.asFlag(cmd)
	cmd.Flags().StringVar(&server, "server", "", "address of a hub (default: where the agent joined, else the store of this machine)")
	cmd.Flags().StringVar(&command, "on-message", "", "command to run when messages wait")
	cmd.Flags().StringVar(&thread, "codex-thread", "", "id or exact name of a Codex session, to wake with codex queue when messages wait")
	cmd.MarkFlagsMutuallyExclusive("on-message", "codex-thread")
	return cmd
}

func (p *program) keepalive(ctx context.Context, server, command, thread string) error {
	conf, err := p.loadConfig()
	if err != nil {
		return err
	}
	if err := p.nameAgent(conf); err != nil {
		return err
	}
	o := agent.KeepAliveOptions{Name: p.as}
	if thread != "" {
		queue, err := clients.QueueTo(thread)
		if err != nil {
			return err
		}
		o.OnMessage = queue.Tell
	}
	p.server = server
	hub, err := p.hub(conf)
	if err != nil {
		return err
	}
	if hub != nil {
		o.From, o.Name = hub, p.bearerName()
	} else {
		opened, err := p.openAt(ctx, conf, fresh)
		if err != nil {
			return err
		}
		defer opened.close()
		caller, err := p.claim(ctx, opened)
		if err != nil {
			return err
		}
		o.From = agent.Local{Service: opened.svc, Caller: caller, Replace: opened.replacement(caller), Log: p.log}
	}
	if command != "" {
		o.OnMessage = func(ctx context.Context, now bridge.KeepAlive) error { return p.runOnMessage(ctx, command, now) }
	}
	line := statusLine{p: p, terminal: isTerminal(p.stderr)}
	o.Say = line.show
	defer line.end()
	return agent.KeepAlive(ctx, o)
}

// bearerOf reads the token of an agent for a hub, and makes nothing: neither a directory, nor an agent in a store of this machine.
func (p *program) bearerOf(conf *config) (string, error) {
	if token := os.Getenv(tokenVariable); token != "" {
		return strings.TrimSpace(token), nil
	}
	path := filepath.Join(conf.Data, agentsDir, p.as+tokenSuffix)
	token, err := readPrivate(path, p.log)
	if errors.Is(err, fs.ErrNotExist) {
		return "", bridge.Errorf(bridge.NotFound, "there is no token of %s on this machine", p.as).
			WithHint("put what `agentbridge token new --name %s` prints on the hub's machine into %s, or into %s", p.as, tokenVariable, path)
	}
	return strings.TrimSpace(string(token)), err
}

// runOnMessage runs the person's command. What it wrote may be anything, so it is shown only to those who ask for it, and masked.
func (p *program) runOnMessage(ctx context.Context, command string, now bridge.KeepAlive) error {
	n := strconv.Itoa(now.Unread)
	err := daemon.RunCommand(ctx, command, []byte(n+"\n"), unreadVariable+"="+n, fromVariable+"="+strings.Join(now.From, " "))
	if failed, ok := errors.AsType[*daemon.CommandError](err); ok && failed.Output != "" {
		p.log.Info("the command of --on-message failed", "output", masked(failed.Output))
	}
	return err
}

// statusLine says on stderr what goes on: on a terminal in one line that changes, elsewhere in one line for each piece of news.
type statusLine struct {
	p        *program
	terminal bool
	shown    bool
}

func (l *statusLine) show(line string, news bool) {
	switch {
	case l.terminal:
		fmt.Fprintf(l.p.stderr, "\r\x1b[K%s", l.fit(masked(line)))
		l.shown = true
	case news:
		l.p.tell("%s", masked(line)) // the hub's address is in it
	}
}

// fit cuts a line to the terminal's width: one that wraps cannot be taken back.
func (l *statusLine) fit(line string) string {
	if f, ok := l.p.stderr.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 1 && utf8.RuneCountInString(line) >= width {
			return string([]rune(line)[:width-1])
		}
	}
	return line
}

// end leaves the line for what comes after.
func (l *statusLine) end() {
	if l.shown {
		fmt.Fprintln(l.p.stderr)
	}
}
