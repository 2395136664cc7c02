package cli

import (
	"context"
	"errors"
	"io"
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
become a new agent, whose token is kept on this machine and never shown; where the agent of that name is at the hub already, it takes a
further seat.

Without a code it asks for one and does not show it: so it stays out of the shell's history and of the list of processes. Where there is no
terminal it reads the code from stdin. An empty answer takes the invite addressed to your name on this machine, and so does --as NAME at
once, where this machine has a store. With - the code is read from stdin in any case.`,
		Example: "  agentbridge join\n  agentbridge join --as beta\n  pass show code | agentbridge join",
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
		if err := p.placeable(conf, q.Code); err != nil {
			return err
		}
		at, name, ok := bridge.CodeHub(q.Code)
		if !ok || p.server != "" || os.Getenv(tokenVariable) != "" || at == p.announced(conf.Data)() {
			return asAgent(cmd, args)
		}
		if len(args) == 1 && args[0] != "-" {
			p.tell("note: the code was on the command line, where others can see it, and in the shell's history; agentbridge join asks for it")
		}
		return p.joinHub(cmd.Context(), conf, q.Code, at, name)
	}
	return cmd
}

// placeable refuses a code that cannot be meant for this machine, which has no store, and says of no hub where it could be.
func (p *program) placeable(conf *config, code string) error {
	if _, _, ok := bridge.CodeHub(code); code == "" || ok || p.server != "" || conf.hasStore() {
		return nil
	}
	if !bridge.WholeCode(code) {
		return notWhole()
	}
	return bridge.Errorf(bridge.Invalid, "the code does not say where its hub is, and there is no store on this machine").
		WithHint("it was made where no hub ran; have another made while `agentbridge serve` runs there, or name the store's directory with --data DIR")
}

func notWhole() error {
	return bridge.Errorf(bridge.Invalid, "that is no join code, or not all of one").WithHint("copy it from abi1_ to its last character; it is not used up")
}

// maxCode is how much is read of what should be a code, in bytes, and in lines.
const (
	maxCode      = 4 << 10
	maxCodeLines = 20
)

// codeGiven is the code that a person gave, by argument, on stdin, or because we asked; empty: none, so it is the invite addressed to us.
func (p *program) codeGiven(conf *config, args []string) (code string, err error) {
	store := conf.hasStore() && p.server == ""
	if p.as != "" && checkFileName(p.as) == nil {
		_, away, err := p.hubOf(conf, p.as)
		store = store && !away && err == nil // a hub has no invites for names
	}
	switch in, ok := p.stdin.(*os.File); {
	case len(args) == 1 && args[0] != "-":
		code = args[0]
	case len(args) == 0 && p.as != "" && store:
		return "", nil
	case ok && isTerminal(in):
		if code, err = p.askCode(in); err == nil && code == "" && len(args) == 0 && store {
			return "", nil
		}
	default:
		text, broken := io.ReadAll(io.LimitReader(p.stdin, maxCode))
		if code, err = string(text), broken; err == nil && strings.TrimSpace(code) == "" && len(args) == 0 && store {
			return "", nil
		}
	}
	if err == nil && strings.TrimSpace(code) == "" {
		err = bridge.Errorf(bridge.Invalid, "no code was given").WithHint("whoever created the conversation has it: type agentbridge join and paste it, or give it on stdin")
	}
	return code, err
}

func fileIsThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// askCode asks for a code on the terminal, and does not show it. One that was wrapped where it came from is several lines, and what is not
// read of it would be typed into the shell.
func (p *program) askCode(in *os.File) (code string, err error) {
	p.out.Flush()
	was, err := term.MakeRaw(int(in.Fd())) // before we ask, so that not even the fastest paste is shown
	if err != nil {
		return "", bridge.Errorf(bridge.Unavailable, "read the terminal: %w", err).WithHint("give the code on stdin: agentbridge join -")
	}
	defer term.Restore(int(in.Fd()), was)
	line := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{in, p.stderr}, "")
	prompt := "paste the join code (it is not shown), and press Enter: "
	for range maxCodeLines {
		typed, err := line.ReadPassword(prompt)
		typed = strings.TrimSpace(typed)
		code += typed
		if typed == "" || err != nil && !errors.Is(err, term.ErrPasteIndicator) || bridge.WholeCode(code) || len(code) > maxCode {
			break
		}
		prompt = "that is not all of it yet; paste the rest, or press Enter to leave it at that: "
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
