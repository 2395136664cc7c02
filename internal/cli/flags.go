package cli

import (
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"agentbridge/internal/bridge"
)

// spelling lets the arguments' names of the tools stand for flags: --conversation_id, and --conversation for short.
func spelling(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	switch name = strings.ReplaceAll(name, "_", "-"); name {
	case "conversation":
		name = "conversation-id"
	case "files-involved":
		name = "file"
	}
	return pflag.NormalizedName(name)
}

// asFlag adds --as.
func (p *program) asFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.as, "as", "", "the agent of this machine to act as, made on first use (default: the only one there is)")
	cmd.RegisterFlagCompletionFunc("as", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		conf, err := p.loadConfig()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		names, _ := localAgents(conf.Data)
		return names, cobra.ShellCompDirectiveNoFileComp
	})
}

// jsonFlag adds --json.
func (p *program) jsonFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&p.json, "json", false, "answer with JSON; an error is JSON on stdout, too")
}

// conversationFlag adds --conversation-id.
func (p *program) conversationFlag(cmd *cobra.Command, id *string, help string) {
	cmd.Flags().StringVar(id, "conversation-id", "", help)
	cmd.RegisterFlagCompletionFunc("conversation-id", p.completeConversations)
}

// completeConversations offers the ids of the conversations of an existing store, with their titles.
func (p *program) completeConversations(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	o, err := p.open(cmd.Context(), existing)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer o.close()
	list, err := o.svc.List(cmd.Context(), false)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var ids []string
	for _, s := range list {
		ids = append(ids, cobra.CompletionWithDesc(string(s.Conversation), s.Title))
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}

// completeFirstConversation is completeConversations for commands whose first argument is a conversation.
func (p *program) completeFirstConversation(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return p.completeConversations(cmd, args, typed)
}

// maxText is how much is read of a text from stdin: more than any message may have.
const maxText = 16 << 20

// text gives an argument, or what stdin holds where the argument is "-". The newline that ends the last line is not part of it.
func (p *program) text(arg string) (string, error) {
	if arg != "-" {
		return arg, nil
	}
	b, err := io.ReadAll(io.LimitReader(p.stdin, maxText+1))
	if err != nil {
		return "", bridge.Errorf(bridge.Invalid, "read stdin: %w", err).WithHint("give the text as an argument instead of -")
	}
	if len(b) > maxText {
		return "", bridge.Errorf(bridge.Invalid, "stdin has more than %d bytes", maxText).WithHint("send a file's path with --file instead of its content")
	}
	return strings.TrimSuffix(string(b), "\n"), nil
}

// count refuses another number of arguments than from least to most, saying what was expected.
func count(least, most int, want string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= least && len(args) <= most {
			return nil
		}
		return bridge.Errorf(bridge.Invalid, "%s: %s given, want %s", cmd.CommandPath(), some(len(args), "argument", "arguments"), want).
			WithHint("usage: %s", cmd.UseLine())
	}
}

// noCommand refuses a command that there is not, and names the nearest.
func noCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := bridge.Errorf(bridge.Invalid, "%s has no command %q", cmd.CommandPath(), args[0])
	var names []string
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
	}
	if near := nearest(args[0], names); near != "" {
		return err.WithHint("did you mean %s %s?", cmd.CommandPath(), near)
	}
	return err.WithHint("see %s --help", cmd.CommandPath())
}
