package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"mvdan.cc/sh/v3/syntax"

	"agentbridge/internal/bridge"
	"agentbridge/internal/policy"
)

func (p *program) policyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "What commands an agent may ask for",
		Args:  noCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(p.policyCheckCommand())
	return cmd
}

func (p *program) policyCheckCommand() *cobra.Command {
	var mode, workspace string
	var lines bool
	cmd := &cobra.Command{
		Use:   "check --mode safe|restricted|yolo -- COMMAND",
		Short: "Say whether a command fits a mode, why, and what would be executed",
		Long: `Say whether a command fits a mode, why, and what would be executed. Nothing is executed. The exit status is 0 for allow and ask, 3
for deny.

COMMAND is one argument, as it would be typed into a shell, or several, which are then taken as they are. With --jsonl, lines
{"id","command"} on stdin become lines {"id","decision","reason"}; a line that is none becomes {"id","error"}, and the exit status is 2.

Patterns such as *.go, links and git's configuration are looked at in --workspace, the working directory unless said otherwise.

Programs of your own are tables in agentbridge.toml; doc/commands.md explains them:

  [[policy.allow]]
  program = "acme-lint"
  mode = "restricted"
  flags = "-v --fix --config=path"
  args = "path*"
  reason = "checks our house rules"`,
		Example: "  agentbridge policy check --mode safe -- 'git log --oneline -5 | head'",
		RunE: func(_ *cobra.Command, args []string) error {
			if mode == "" {
				return bridge.Errorf(bridge.Invalid, "no mode was given").WithHint("add --mode safe, --mode restricted or --mode yolo")
			}
			m, err := policy.ParseMode(mode)
			if err != nil {
				return bridge.Errorf(bridge.Invalid, "%w", err).WithHint("add --mode safe, --mode restricted or --mode yolo")
			}
			conf, err := p.loadConfig()
			if err != nil {
				return err
			}
			dir, err := filepath.Abs(workspace)
			if err != nil {
				return bridge.Errorf(bridge.Invalid, "workspace: %w", err)
			}
			root, err := os.OpenRoot(dir)
			if err != nil {
				return bridge.Errorf(bridge.Invalid, "workspace: %w", err).WithHint("name a directory with --workspace")
			}
			defer root.Close()
			pol, err := policy.New(conf.Policy.options(filepath.ToSlash(dir)))
			if err != nil {
				return bridge.Errorf(bridge.Invalid, "make policy: %w", err).WithHint("%s", policyHint)
			}
			decide := func(command string) policy.Decision { return pol.DecideIn(m, command, root.FS()) }
			switch {
			case lines && len(args) > 0:
				return bridge.Errorf(bridge.Invalid, "--jsonl reads commands from stdin, and one was given, too").WithHint("leave out one of them")
			case lines:
				return p.policyLines(decide)
			case len(args) == 0:
				return bridge.Errorf(bridge.Invalid, "no command was given").WithHint("write it behind --, in quotes")
			}
			command, err := commandLine(args)
			if err != nil {
				return err
			}
			return p.explain(decide(command))
		},
	}
	cmd.Flags().StringVar(&mode, "mode", "", "safe, restricted or yolo")
	cmd.Flags().StringVar(&workspace, "workspace", ".", "the directory that the command would run in")
	cmd.Flags().BoolVar(&lines, "jsonl", false, "JSON Lines in and out")
	cmd.Flags().BoolVar(&p.json, "json", false, "print JSON")
	cmd.MarkFlagDirname("workspace")
	return cmd
}

// commandLine is the text of a command that came as one argument, or as several that a shell has taken apart already.
func commandLine(args []string) (string, error) {
	if len(args) == 1 {
		return args[0], nil
	}
	quoted := make([]string, len(args))
	for i, arg := range args {
		var err error
		if quoted[i], err = syntax.Quote(arg, syntax.LangBash); err != nil {
			return "", bridge.Errorf(bridge.Invalid, "argument %d of the command: %w", i+1, err).WithHint("give the command as one argument, in quotes")
		}
	}
	return strings.Join(quoted, " "), nil
}

func (p *program) explain(d policy.Decision) error {
	err := p.answer(d, func() {
		p.printf("%s (%s): %s\n", d.Verdict, d.Mode, d.Reason)
		for _, step := range d.Steps {
			p.printf("  %s\n", stepText(step))
		}
		if d.Script != "" {
			p.printf("  bash -c %s\n", asTyped(d.Script))
		}
		if d.Hint != "" {
			p.printf("hint: %s\n", d.Hint)
		}
	})
	if err == nil && d.Verdict == policy.Deny {
		return exit(bridge.Codes[bridge.Denied].Exit)
	}
	return err
}

// stepText shows what would be executed, as words that a shell would read back alike.
func stepText(step policy.Step) string {
	var out strings.Builder
	switch step.When {
	case policy.IfOK:
		out.WriteString("&& ")
	case policy.IfFailed:
		out.WriteString("|| ")
	}
	for i, cmd := range step.Commands {
		if i > 0 {
			out.WriteString(" | ")
		}
		if cmd.Dir != "" {
			out.WriteString("[in " + asTyped(cmd.Dir) + "] ")
		}
		words := make([]string, 0, len(cmd.Env)+len(cmd.Argv))
		for _, text := range append(cmd.Env[:len(cmd.Env):len(cmd.Env)], cmd.Argv...) {
			words = append(words, asTyped(text))
		}
		out.WriteString(strings.Join(words, " "))
		for _, r := range cmd.Redirects {
			switch {
			case r.Op == ">&":
				out.WriteString(" " + string(rune('0'+r.FD)) + ">&" + string(rune('0'+r.From)))
			default:
				out.WriteString(" " + string(rune('0'+r.FD)) + r.Op + asTyped(r.Path))
			}
		}
	}
	return out.String()
}

func asTyped(text string) string {
	if quoted, err := syntax.Quote(text, syntax.LangBash); err == nil {
		return quoted
	}
	return "?"
}

// policyLines answers each line by itself: a bad one is an error of that line.
func (p *program) policyLines(decide func(string) policy.Decision) error {
	in := bufio.NewReader(p.stdin)
	bad := 0
	for n := 1; ; n++ {
		text, err := in.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return bridge.Errorf(bridge.Unavailable, "read stdin: %w", err)
		}
		if len(bytes.TrimSpace(text)) > 0 {
			answer, ok := policyLine(text, n, decide)
			if !ok {
				bad++
			}
			if err := p.encode(answer); err != nil {
				return err
			}
			if in.Buffered() == 0 { // somebody may wait for the answer before they ask again
				if err := p.flush(); err != nil {
					return err
				}
			}
		}
		if err == io.EOF {
			break
		}
	}
	if bad > 0 {
		p.tell("%d of the lines are not {\"id\",\"command\"}; their answers say so", bad)
		return exit(bridge.Codes[bridge.Invalid].Exit)
	}
	return nil
}

func policyLine(text []byte, n int, decide func(string) policy.Decision) (answer any, ok bool) {
	var item struct {
		ID      json.RawMessage `json:"id"`
		Command *string         `json:"command"`
	}
	if err := json.Unmarshal(text, &item); err != nil || item.Command == nil {
		return struct {
			ID    json.RawMessage `json:"id"`
			Error *bridge.Error   `json:"error"`
		}{item.ID, bridge.Errorf(bridge.Invalid, "line %d is not {\"id\",\"command\"}", n).WithHint("one JSON object a line, the command as text")}, false
	}
	d := decide(*item.Command)
	return struct {
		ID       json.RawMessage `json:"id"`
		Decision policy.Verdict  `json:"decision"`
		Reason   string          `json:"reason"`
	}{item.ID, d.Verdict, d.Reason}, true
}
