package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
	"agentbridge/internal/policy"
	"agentbridge/internal/sandbox"
)

// runVariable lets a process run commands; it must be 1 in the environment of the one that is to.
const runVariable = "YOLO_MODE"

// enablePhrase is what a person types to enable commands: words that nobody types by mistake.
const enablePhrase = "let agents run commands"

func (p *program) yoloCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "yolo",
		Short: "Let the agents of a conversation ask for commands, or no longer; from your terminal",
		Long: `Let the agents of a conversation ask for commands, or no longer. Off unless you turn it on, here, on the machine that runs them, with a
phrase, a code and your passphrase. Then the tool run_command appears for them, and each command runs once you said yes to it:
agentbridge approve. Read doc/commands.md first.

Commands are run by a process of agentbridge on this machine that has YOLO_MODE=1 in its environment: mcp, serve or watchdog.`,
		Args: noCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(p.yoloEnableCommand(), p.yoloDisableCommand(), p.yoloStatusCommand())
	return cmd
}

// enabling is what a person enables.
type enabling struct {
	conversation, mode, workspace, auto string
	lasts                               duration
	inClient                            bool
}

func (p *program) yoloEnableCommand() *cobra.Command {
	q := enabling{lasts: duration(time.Hour)}
	cmd := &cobra.Command{
		Use:   "enable --conversation ID --mode safe|restricted|yolo --workspace DIR",
		Short: "Let the agents of a conversation ask for commands, for a time",
		Long: `Let the agents of a conversation ask for commands, for a time. The modes: safe reads the workspace and runs nothing of it; restricted
builds, tests and uses git, which may run what is in the workspace; yolo is a shell. Whatever runs, runs in the sandbox, without network
unless you say so for that command, and once.

The first time you choose a passphrase. It unwraps the key that approves commands; no agent and no process of agentbridge keeps it.`,
		Args: count(0, 0, "none"),
	}
	cmd.Flags().StringVar(&q.conversation, "conversation", "", "the conversation (default the only one)")
	cmd.RegisterFlagCompletionFunc("conversation", p.completeConversations)
	cmd.Flags().StringVar(&q.mode, "mode", "", "safe, restricted or yolo")
	cmd.Flags().StringVar(&q.workspace, "workspace", "", "the directory that commands run in")
	cmd.Flags().Var(&q.lasts, "for", "how long, at most 24h")
	cmd.Flags().StringVar(&q.auto, "auto-approve", "", `"safe": in safe mode, what the policy allows needs no yes of yours`)
	cmd.Flags().BoolVar(&q.inClient, "in-client", false, "a yes that is given in the program of the agent that asks counts, too; who controls that program can give it")
	p.jsonFlag(cmd)
	return p.asPerson(cmd, func(ctx context.Context, o *opened, _ []string) error {
		permit, err := p.enable(ctx, o, q)
		if err != nil {
			return err
		}
		return p.answer(permitShown(permit, time.Now()), func() {
			p.printf("%s  %s mode in %s until %s\n", permit.Conversation, permit.Mode, permit.Workspace, when(permit.Until))
			p.tell("commands are run by a process of agentbridge that was started here with %s=1 in its environment. Yours to answer: agentbridge approve", runVariable)
		})
	})
}

// enable makes sure that it is a person who enables commands, and that they know what.
func (p *program) enable(ctx context.Context, o *opened, q enabling) (none bridge.Permit, err error) {
	mode, err := policy.ParseMode(q.mode)
	if err != nil {
		return none, bridge.Errorf(bridge.Invalid, "choose a mode").WithHint("add --mode safe, --mode restricted or --mode yolo; doc/commands.md says what each may do")
	}
	if q.auto != "" && (q.auto != policy.Safe.String() || mode != policy.Safe) {
		return none, bridge.Errorf(bridge.Invalid, "commands run without a yes of yours in safe mode alone").WithHint("use --mode safe --auto-approve safe, or leave --auto-approve out")
	}
	h, err := p.person(ctx, "yolo enable")
	if err != nil {
		return none, err
	}
	defer h.leave()
	workspace, tier, err := workspaceOf(o.conf, q.workspace, mode)
	if err != nil {
		return none, err
	}
	var named []string
	if q.conversation != "" {
		named = []string{q.conversation}
	}
	id, err := o.conversation(ctx, named)
	if err != nil {
		return none, err
	}
	view, err := o.svc.Show(ctx, id)
	if err != nil {
		return none, err
	}
	h.say("The agents of %s may ask for commands for %s:", id, showDuration(time.Duration(q.lasts)))
	for _, m := range view.Roster {
		h.say("  %s", who(m.Name, m.Rank, m.Role))
	}
	h.say("in %s, %s mode: %s.", workspace, mode, modeWords[mode])
	h.say("The sandbox: %s. Each command needs a yes of yours%s.", tier, map[bool]string{true: ", but those that only read", false: ""}[q.auto != ""])
	if q.inClient {
		h.say("A yes in the program of the agent that asks counts as yours: who controls that program, or has the agent's token, can give it.")
	}
	if err := h.means(); err != nil {
		return none, err
	}
	a, err := h.approver(o.conf.Data, true)
	if err != nil {
		return none, err
	}
	return o.svc.EnableCommands(ctx, bridge.EnableRequest{
		Conversation: id, Mode: mode, Workspace: workspace, For: time.Duration(q.lasts), Auto: q.auto != "", InClient: q.inClient, Key: a.public(), Sign: a.sign,
	})
}

var modeWords = map[policy.Mode]string{
	policy.Safe:       "they read, and run nothing of what is in it",
	policy.Restricted: "they build, test and use git, so they may run whatever is in it",
	policy.Yolo:       "they have a shell in it",
}

// means makes sure that the person means it: a phrase, and a code that nobody knew before.
func (h *person) means() error {
	typed, err := h.ask(fmt.Sprintf("type %q to go on: ", enablePhrase))
	if err != nil {
		return err
	}
	if typed != enablePhrase {
		return bridge.Errorf(bridge.Denied, "that is not the phrase").WithHint("nothing was enabled; type it as it is shown")
	}
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		return err
	}
	code := fmt.Sprintf("%06d", n)
	h.say("The code of this once: %s", code)
	if typed, err = h.ask("type the code: "); err != nil {
		return err
	}
	if typed != code {
		return bridge.Errorf(bridge.Denied, "that is not the code").WithHint("nothing was enabled; each try has a code of its own")
	}
	return nil
}

// workspaceOf looks whether commands can run in a directory, and says in what sandbox.
func workspaceOf(conf *config, dir string, mode policy.Mode) (workspace string, tier sandbox.Tier, err error) {
	if dir == "" {
		return "", "", bridge.Errorf(bridge.Invalid, "no workspace was given").WithHint("add --workspace DIR: a directory of its own, such as a checkout")
	}
	workspace, err = filepath.Abs(dir)
	if err != nil {
		return "", "", bridge.Errorf(bridge.Invalid, "workspace: %w", err)
	}
	box, err := sandbox.New(conf.sandbox(workspace))
	if e, ok := errors.AsType[*sandbox.Error](err); ok {
		return "", "", bridge.Errorf(bridge.Invalid, "%s", e.Message).WithHint("%s", e.Hint)
	}
	if err != nil {
		return "", "", bridge.Errorf(bridge.Invalid, "workspace: %w", err)
	}
	tier = box.Tier()
	if tier == sandbox.None || tier == sandbox.Landlock && mode != policy.Safe {
		return "", "", bridge.Errorf(bridge.Denied, "this machine has no sandbox that is strong enough for %s mode", mode).WithHint("%s", sandbox.Install)
	}
	return workspace, tier, nil
}

func (p *program) yoloDisableCommand() *cobra.Command {
	var id string
	cmd := &cobra.Command{
		Use:   "disable [--conversation ID]",
		Short: "Let the agents of a conversation ask for no more commands, at once",
		Long: `Let the agents of a conversation ask for no more commands, at once. What waits or was approved and has not begun is denied. What runs
goes on to its end or its time-out; stop the process that runs it to end it.`,
		Args: count(0, 0, "none"),
	}
	cmd.Flags().StringVar(&id, "conversation", "", "the conversation (default all where commands are enabled)")
	cmd.RegisterFlagCompletionFunc("conversation", p.completeConversations)
	p.jsonFlag(cmd)
	return p.asPerson(cmd, func(ctx context.Context, o *opened, _ []string) error {
		if err := atTerminal("yolo disable"); err != nil {
			return err
		}
		ids := []bridge.ConversationID{bridge.ConversationID(id)}
		if id == "" {
			permits, err := o.svc.Permits(ctx)
			if err != nil {
				return err
			}
			if ids = nil; len(permits) == 0 {
				return bridge.Errorf(bridge.NotFound, "commands are enabled nowhere").WithHint("agentbridge yolo status shows how things stand")
			}
			for _, permit := range permits {
				ids = append(ids, permit.Conversation)
			}
		}
		for _, id := range ids {
			if err := o.svc.DisableCommands(ctx, id); err != nil {
				return err
			}
		}
		return p.answer(map[string]any{"conversation_ids": ids}, func() {
			for _, id := range ids {
				p.printf("%s  no more commands\n", id)
			}
		})
	})
}

// shownPermit is a permit as status shows it.
type shownPermit struct {
	Conversation bridge.ConversationID `json:"conversation_id"`
	Mode         policy.Mode           `json:"mode"`
	Workspace    string                `json:"workspace"`
	AutoApprove  bool                  `json:"auto_approve"`
	InClient     bool                  `json:"in_client"`
	From         time.Time             `json:"from"`
	Until        time.Time             `json:"until"`
	Served       bool                  `json:"served"` // a process runs its commands
}

func permitShown(p bridge.Permit, now time.Time) shownPermit {
	return shownPermit{p.Conversation, p.Mode, p.Workspace, p.Auto, p.InClient, p.From, p.Until, p.Served(now)}
}

func (p *program) yoloStatusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show where commands are enabled, what waits for you, and the sandbox",
		Args:  count(0, 0, "none"),
	}
	p.jsonFlag(cmd)
	return p.asPerson(cmd, func(ctx context.Context, o *opened, _ []string) error {
		permits, err := o.svc.Permits(ctx)
		if err != nil {
			return err
		}
		asked, err := o.svc.Asked(ctx)
		if err != nil {
			return err
		}
		report, err := sandbox.Probe(ctx, o.conf.sandbox(""))
		if err != nil {
			return bridge.Errorf(bridge.Unavailable, "try the sandbox: %w", err)
		}
		shown := struct {
			Permits  []shownPermit        `json:"permits"`
			Waiting  []bridge.CommandView `json:"waiting"`
			Sandbox  sandbox.Tier         `json:"sandbox"`
			Strong   bool                 `json:"sandbox_ok"` // restricted and yolo can run in it
			RunsHere bool                 `json:"yolo_mode"`  // of this environment
		}{[]shownPermit{}, []bridge.CommandView{}, report.Tier, report.OK(), os.Getenv(runVariable) == "1"}
		for _, permit := range permits {
			shown.Permits = append(shown.Permits, permitShown(permit, time.Now()))
		}
		for _, c := range asked {
			shown.Waiting = append(shown.Waiting, c.View())
		}
		return p.answer(shown, func() {
			if len(permits) == 0 {
				p.printf("commands are enabled nowhere\n")
			} else {
				rows := [][]string{{"CONVERSATION", "MODE", "WORKSPACE", "UNTIL", "APPROVAL", "RUN BY"}}
				for _, s := range shown.Permits {
					rows = append(rows, []string{string(s.Conversation), s.Mode.String(), s.Workspace, when(s.Until), s.approval(), s.runner()})
				}
				p.table(rows...)
			}
			if len(asked) > 0 {
				p.printf("%s for you: agentbridge approve\n", some(len(asked), "command waits", "commands wait"))
			}
			p.printf("sandbox: %s; restricted and yolo %s\n", report.Tier, map[bool]string{true: "can run", false: "cannot run: " + sandbox.Install}[report.OK()])
		})
	})
}

func (s shownPermit) approval() string {
	switch {
	case s.AutoApprove:
		return "none for reading"
	case s.InClient:
		return "here or in the client"
	}
	return "here"
}

func (s shownPermit) runner() string {
	if s.Served {
		return "a process of this machine"
	}
	return "nobody: start one with " + strconv.Quote(runVariable+"=1")
}
