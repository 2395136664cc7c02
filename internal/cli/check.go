package cli

import (
	"context"
	"errors"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
)

// ackNone leaves a batch unacked.
const ackNone = "none"

func (p *program) checkCommand() *cobra.Command {
	var q bridge.CheckRequest
	var wait duration
	var ack, touched string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Get your messages",
		Long: `Get your messages. They are acked once the output was written whole: where it was not, they come again.

--peek shows them and takes none. --ack none takes them and leaves them unacked; as this process ends, they come again to the next
check, marked, unless it names the receipt: --ack RECEIPT.

--touch FILE makes FILE, or renews its time, whenever there was something: with --wait and --peek, whatever watches that file learns
that there is something to read, and nothing is taken.`,
		Example: "  agentbridge check --as beta --wait 60s\n  agentbridge check --as beta --wait 240s --peek --touch ~/.beta-has-mail",
		Args:    count(0, 0, "none"),
	}
	flags := cmd.Flags()
	flags.Var(&wait, "wait", "wait for messages, up to 240s")
	flags.BoolVar(&q.Peek, "peek", false, "only look: take nothing, ack nothing")
	flags.IntVar(&q.Limit, "limit", 0, "at most so many, up to 50 (default 20)")
	flags.StringVar(&ack, "ack", "", "first ack the batch of this receipt; none: ack nothing")
	flags.StringVar(&touched, "touch", "", "a file to make, or to renew the time of, whenever there was something")
	cmd.MarkFlagsMutuallyExclusive("peek", "ack")
	cmd.MarkFlagFilename("touch")
	p.conversationFlag(cmd, (*string)(&q.Conversation), "only of this conversation (default all of yours)")
	return p.asAgent(cmd, func(ctx context.Context, b agentBridge, c bridge.Caller, _ []string) error {
		// Where nobody reads the output, writing it must fail and not end the process: see below.
		signal.Ignore(syscall.SIGPIPE)
		if cmd.Flags().Changed("touch") {
			if err := touchable(touched); err != nil {
				return err
			}
		}
		if q.Wait = time.Duration(wait); q.Wait > 0 && isTerminal(p.stderr) {
			p.tell("waiting for messages, up to %s; Ctrl-C ends it", showDuration(q.Wait))
		}
		if ack != ackNone {
			q.Ack = bridge.Receipt(ack)
		}
		res, err := b.Check(ctx, c, q)
		if err != nil {
			return err
		}
		if err := p.answer(res, func() { p.messages(res) }); err != nil {
			return err
		}
		err = p.flush()
		p.json = false // the answer was given: a failure from here on must not be a second one
		if err == nil && touched != "" && len(res.Messages) > 0 {
			err = touch(touched)
		}
		if err != nil {
			// Nobody saw them, or nobody was woken who should. The next check shall get them at once.
			if res.Receipt != "" {
				err = errors.Join(err, b.GiveBack(context.WithoutCancel(ctx), c, res.Receipt))
			}
			return err
		}
		if res.Receipt == "" || ack == ackNone {
			return nil
		}
		return b.Ack(context.WithoutCancel(ctx), c, res.Receipt, bridge.Explicit)
	})
}

// messages shows a batch. Texts are framed by the bridge: who reads this may be a model.
func (p *program) messages(res bridge.CheckResult) {
	for _, m := range res.Messages {
		p.message(m, true)
		p.printf("\n")
	}
	switch {
	case len(res.Messages) == 0:
		p.tell("no messages")
	case res.Unread > 0:
		p.tell("%s: %s", some(res.Unread, "more waits", "more wait"), p.checkLine())
	}
}

// message shows one message: a line of facts, and its text.
func (p *program) message(m bridge.Message, withID bool) {
	p.printf("%s", p.style(bold, clock(m.SentAt)+"  "+who(m.From, m.Rank, m.Role)+"  "+string(m.ActionType)))
	if withID {
		p.printf("  %s  %s", m.Conversation, m.ID)
	}
	if m.ReplyTo != "" {
		p.printf("  answers %s", m.ReplyTo)
	}
	if m.Redelivered {
		p.printf("  %s", p.style(yellow, "redelivered"))
	}
	p.printf("\n%s\n", m.Text)
	for _, f := range m.Files {
		p.printf("file: %s\n", f)
	}
}
