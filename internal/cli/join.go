package cli

import (
	"context"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"agentbridge/internal/bridge"
)

func (p *program) joinCommand() *cobra.Command {
	var q bridge.JoinRequest
	cmd := &cobra.Command{
		Use:   "join [CODE]",
		Short: "Join a conversation with the code of an invite, here or at a hub",
		Long: `Join a conversation with the code of an invite. The code says where it is good: in the store of this machine, or at a hub. At a hub you
become a new agent, whose token is kept on this machine and never shown.

Without a code it is the invite addressed to your name on this machine. Where there is none, it asks for the code and does not show
it: so it stays out of the shell's history and of the list of processes. With - the code is read from stdin.`,
		Example: "  agentbridge join\n  agentbridge join --as beta\n  pass show code | agentbridge join -",
		Args:    count(0, 1, "one code, or none for the invite addressed to you"),
	}
	p.conversationFlag(cmd, (*string)(&q.Conversation), "which of several invites, where no code is given")
	p.asAgent(cmd, func(ctx context.Context, b agentBridge, c bridge.Caller, _ []string) error {
		res, err := b.Join(ctx, c, q)
		if err != nil {
			return err
		}
		err = p.answer(res, func() { p.showSeat(res) })
		p.unread(res.Unread)
		return err
	})
	asAgent := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		conf, err := p.loadConfig()
		if err != nil {
			return err
		}
		if q.Code, err = p.codeGiven(conf, args); err != nil {
			return err
		}
		switch anew, err := p.isNew(conf, q.Code); {
		case err != nil:
			return err
		case !anew:
			return asAgent(cmd, args)
		}
		if len(args) == 1 && args[0] != "-" {
			p.tell("note: the code was on the command line, where others can see it; agentbridge join asks for it")
		}
		return p.joinHub(cmd.Context(), conf, q.Code)
	}
	return cmd
}

// isNew reports whether a code is for a hub where the agent is not yet, so that it becomes a new one there.
func (p *program) isNew(conf *config, code string) (bool, error) {
	at, ok := bridge.CodeHub(code)
	if !ok || p.server != "" || at == p.announced(conf.Data)() {
		return false, nil
	}
	if p.as == "" || checkFileName(p.as) != nil {
		return true, nil
	}
	known, ok, err := p.hubOf(conf, p.as)
	return !ok || !sameHub(known.URL, at.URL), err
}

// codeGiven is the code that a person gave, by argument, on stdin, or because we asked; empty: none.
func (p *program) codeGiven(conf *config, args []string) (code string, err error) {
	if len(args) == 1 {
		if code, err = p.text(args[0]); err == nil && strings.TrimSpace(code) == "" {
			err = bridge.Errorf(bridge.Invalid, "the code is empty").WithHint("leave it out to take the invite addressed to your name")
		}
		return code, err
	}
	in, ok := p.stdin.(*os.File)
	if path, err := conf.storePath(); err == nil && fileIsThere(path) || !ok || !isTerminal(in) {
		return "", nil // the invite addressed to us
	}
	return p.askCode(in)
}

func fileIsThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// askCode asks for a code on the terminal, and does not show it.
func (p *program) askCode(in *os.File) (string, error) {
	p.out.Flush()
	_, _ = p.stderr.Write([]byte("paste the join code (it is not shown), and press Enter: "))
	typed, err := term.ReadPassword(int(in.Fd()))
	p.tell("")
	code := strings.TrimSpace(string(typed))
	if err != nil || code == "" {
		return "", bridge.Errorf(bridge.Invalid, "no code was given").WithHint("whoever created the conversation has it; it can also be read from stdin: agentbridge join -")
	}
	return code, nil
}

func (p *program) showSeat(res bridge.JoinResult) {
	p.printf("%s  you are %s; it ends %s\n", res.Conversation, who(res.You.Name, res.You.Rank, res.You.Role), when(res.ExpiresAt))
	var partners []string
	for _, m := range res.Partners {
		partners = append(partners, who(m.Name, m.Rank, m.Role))
	}
	p.printf("with %s\n", strings.Join(partners, ", "))
}
