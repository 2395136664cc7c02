// Package cli is the command line: it reads flags and configuration, opens a bridge and prints what it answers.
//
// stdout answers, stderr talks. The exit status is 0 for done and otherwise what [bridge.Codes] says.
package cli

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
	"agentbridge/internal/redact"
)

// program is one run of agentbridge.
type program struct {
	stdin  io.Reader
	out    *bufio.Writer // stdout; Main flushes it
	stdout io.Writer
	stderr io.Writer
	log    *slog.Logger

	data, store, config string // common flags
	serving             hubSettings
	as                  string
	server              string // of a hub; empty: none was named
	json                bool
	began               bool // the command line was understood
}

// Main runs agentbridge with the arguments that follow its name and gives the exit status. It ends soon after SIGINT or SIGTERM.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(ctx, stop)() // a second signal ends it at once
	p := &program{stdin: stdin, stdout: stdout, out: bufio.NewWriter(stdout), stderr: stderr}
	p.logFrom(slog.LevelWarn)
	root := p.root()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		err = p.flush()
	}
	return p.finish(err)
}

// finish says what went wrong and gives the exit status.
func (p *program) finish(err error) int {
	var quiet exit
	switch {
	case err == nil:
		return 0
	case errors.As(err, &quiet):
		p.out.Flush() // a failure has been said on stdout already
		return int(quiet)
	case errors.Is(err, context.Canceled):
		return 1 // whoever interrupted it knows
	}
	if _, ok := errors.AsType[*bridge.Error](err); !ok {
		if other := exclusive(err); other != nil { // which is found out late
			err = other
		} else if !p.began { // cobra's own words about arguments
			err = bridge.Errorf(bridge.Invalid, "%s", err).WithHint("see agentbridge --help")
		}
	}
	e := new(*bridge.AsError(err))
	e.Message = masked(e.Message) // paths and arguments may be in it
	if e.Code == bridge.Internal {
		p.log.Error("internal error", "error", masked(err.Error()))
	}
	if e.Hint == "" {
		e.Hint = hints[e.Code]
	}
	e.Message, e.Hint = inShell(e.Message), inShell(e.Hint)
	if p.json {
		p.encode(e)
		p.out.Flush()
	}
	fmt.Fprintf(p.stderr, "error: %s\n", e.Text())
	return bridge.Codes[e.Code].Exit
}

// logFrom makes the log: to stderr, from that level on.
func (p *program) logFrom(level slog.Level) {
	p.log = slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: level}))
}

// logAs makes the log as the configuration wants it.
func (p *program) logAs(conf *config) {
	if p.logFrom(conf.Log); conf.LogFormat == logJSON {
		p.log = slog.New(slog.NewJSONHandler(p.stderr, &slog.HandlerOptions{Level: conf.Log}))
	}
}

// masked is a text that nobody checked, fit for a log.
func masked(text string) string {
	scanner, broken := redact.New(redact.Options{Environ: os.Environ()})
	if broken != nil {
		return "[REDACTED:unchecked]"
	}
	key := make([]byte, redact.MinKey)
	rand.Read(key)
	text, _, broken = scanner.Redact(key, text)
	if broken != nil {
		return "[REDACTED:unreadable]"
	}
	return text
}

// hints are the way out where an error does not know a better one.
var hints = map[bridge.Code]string{
	bridge.Invalid:     "see agentbridge help, and --help of each command",
	bridge.NotFound:    "agentbridge list --all shows the conversations, agentbridge token list the tokens",
	bridge.Conflict:    "agentbridge show shows how things stand",
	bridge.LeaseLost:   "agentbridge check and agentbridge task list show what is yours now",
	bridge.Denied:      "agentbridge partners shows who has which rank",
	bridge.Expired:     "agentbridge list --all shows what ended when",
	bridge.RateLimited: "wait, then do the same again",
	bridge.Paused:      "wait until a person resumes it",
	bridge.Unavailable: "the same command is safe to try again; agentbridge doctor looks for the cause",
	bridge.Internal:    "please report it, with the output of agentbridge doctor",
}

// exit ends the program with that status and no further words.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// root is the whole command tree.
func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "agentbridge",
		Short: "Lets AI coding agents work together",
		Long: `agentbridge lets AI coding agents work together without sharing a workspace or a credential.

Try it:            agentbridge demo
In your clients:   agentbridge install
From a shell:      agentbridge create --as alpha --role lead --partner beta=tester`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRun: func(*cobra.Command, []string) {
			p.began = true
		},
	}
	flags := root.PersistentFlags()
	flags.StringVar(&p.data, "data", "", "data directory (default $XDG_DATA_HOME/agentbridge, or ~/.local/share/agentbridge)")
	flags.StringVar(&p.store, "store", "", "sqlite:PATH (default bridge.db in the data directory) or postgres://USER@HOST/DATABASE")
	flags.StringVar(&p.config, "config", "", "configuration file (default agentbridge.toml in the data directory)")
	root.MarkPersistentFlagDirname("data")
	root.MarkPersistentFlagFilename("config", "toml")

	add := func(id, title string, commands ...*cobra.Command) {
		root.AddGroup(&cobra.Group{ID: id, Title: title})
		for _, c := range commands {
			c.GroupID = id
			root.AddCommand(c)
		}
	}
	add("run", "Run:", p.demoCommand(), p.stressCommand(), p.validateCommand(), p.mcpCommand(), p.serveCommand(), p.watchdogCommand(), p.keepaliveCommand())
	add("agent", "An agent's tools, from a shell:", p.createCommand(), p.inviteCommand(), p.joinCommand(), p.sendCommand(),
		p.checkCommand(), p.setStatusCommand(), p.partnersCommand(), p.taskCommand(), p.credsCommand())
	add("person", "For the person in charge:", p.statusCommand(), p.listCommand(), p.showCommand(), p.tailCommand(), p.sayCommand(),
		p.extendCommand(), p.closeCommand(), p.pauseCommand(), p.resumeCommand(), p.yoloCommand(), p.approveCommand(), p.denyCommand(), p.restoreSnapshotCommand(), p.revokeCommand(), p.exportCommand(), p.cleanupCommand())
	add("clients", "Your clients:", p.installCommand(), p.uninstallCommand(), p.doctorCommand(), p.hookCommand())
	add("care", "Tokens, logs and more:", p.tokenCommand(), p.keyCommand(), p.auditCommand(), p.redactCommand(), p.policyCommand(), p.backupCommand(), p.restoreCommand(), p.migrateCommand(), p.versionCommand())
	root.SetHelpCommandGroupID("care")
	root.SetCompletionCommandGroupID("care")
	root.SetFlagErrorFunc(badFlag)
	root.SetGlobalNormalizationFunc(spelling)
	return root
}
