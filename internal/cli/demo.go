package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
	"agentbridge/internal/workload"
)

func (p *program) demoCommand() *cobra.Command {
	var keep string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Two agents at work on a real bridge, in a few seconds",
		Long: `Two real MCP clients, each with its own "agentbridge mcp" process, meet on a throwaway bridge: they talk, a secret is masked, a process
is killed and its mail comes back, and the audit log is verified. Every promise is checked: exit 1 if one is not kept.`,
		Args: count(0, 0, "none"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), 30*time.Second)
			defer cancel()
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

// demo is the story. A promise that is not kept ends it.
type demo struct {
	p           *program
	program     workload.Program // this one, over the demo's directory
	dir         string
	alpha, beta *workload.Player
	id          bridge.ConversationID
	question    bridge.MessageID
}

func (p *program) demo(ctx context.Context, dir string, kept bool) (err error) {
	began := time.Now()
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own program: %w", err)
	}
	d := &demo{p: p, dir: dir, program: workload.Program{Path: self, Data: dir, Stderr: p.stderr}}
	defer func() {
		for _, a := range []*workload.Player{d.alpha, d.beta} {
			if a != nil {
				err = errors.Join(err, a.Leave())
			}
		}
	}()
	for n, scene := range []struct {
		title string
		play  func(context.Context) error
	}{
		{"alpha and beta start: two MCP clients, two `agentbridge mcp` processes, no daemon", d.start},
		{"alpha creates a conversation and gets a single-use code for beta", d.meet},
		{"beta waits; alpha asks, and forgets a token in the text", d.ask},
		{"beta answers; alpha sees what became of its message", d.answer},
		{"beta takes a message, and its process is killed before it could act", d.crash},
		{"the audit log is verified", d.verify},
	} {
		p.printf("%s\n", p.style(bold, fmt.Sprintf("%d. %s", n+1, scene.title)))
		if err := scene.play(ctx); err != nil {
			return fmt.Errorf("scene %d: %w", n+1, err)
		}
		if err := p.flush(); err != nil {
			return err
		}
	}
	p.printf("\nall promises kept, in %.1f s\n", time.Since(began).Seconds())
	if kept {
		p.printf("look inside:  agentbridge --data %s show\n              agentbridge --data %s audit show\n", dir, dir)
	} else {
		p.printf("look inside:  agentbridge demo --keep DIR, then agentbridge --data DIR show\n")
	}
	p.printf("use it:       name `agentbridge mcp --as NAME` as a server in your MCP client\n")
	return nil
}

// see shows what happened.
func (d *demo) see(format string, args ...any) { d.p.printf("   "+format+"\n", args...) }

// promise is an error if a promise was not kept.
func promise(kept bool, what string) error {
	if kept {
		return nil
	}
	return bridge.Errorf(bridge.Internal, "not as promised: %s", what).WithHint("please report it, with the output of agentbridge doctor")
}

func (d *demo) start(ctx context.Context) (err error) {
	if d.alpha, err = d.program.Play(ctx, "alpha"); err != nil {
		return err
	}
	d.beta, err = d.program.Play(ctx, "beta")
	return err
}

func (d *demo) meet(ctx context.Context) error {
	var made bridge.CreateResult
	err := d.alpha.Call(ctx, "create_conversation", map[string]any{
		"role": "writes the parser", "title": "demo", "partners": []any{map[string]any{"name": "beta", "role": "tests the parser"}},
	}, &made)
	if err != nil {
		return err
	}
	d.id = made.Conversation
	d.see("%s, code %s…", d.id, made.Invites[0].Code[:12])
	code := map[string]any{"code": made.Invites[0].Code}
	var joined bridge.JoinResult
	if err := d.beta.Call(ctx, "join_conversation", code, &joined); err != nil {
		return err
	}
	d.see("beta joined as %s; partner %s", joined.You.Rank, joined.Partners[0].Name)
	again := d.beta.Call(ctx, "join_conversation", code, &joined)
	d.see("the code a second time: %s", bridge.AsError(again).Message)
	return promise(errors.Is(again, bridge.Conflict), "a used code is refused")
}

func (d *demo) ask(ctx context.Context) error {
	secret := "ghp_" + strings.ToLower(rand.Text())[:18] + rand.Text()[:18] // shaped like a token, and nobody's
	type taken struct {
		bridge.CheckResult
		at  time.Time
		err error
	}
	woken := make(chan taken, 1)
	go func() {
		res, err := d.beta.Check(ctx, 20)
		woken <- taken{res, time.Now(), err}
	}()
	select {
	case w := <-woken:
		return errors.Join(w.err, promise(false, "a check waits for messages"))
	case <-time.After(300 * time.Millisecond): // for the reader: this is the waiting
	}
	var sent bridge.SendResult
	err := d.alpha.Call(ctx, "send", map[string]any{"conversation_id": d.id, "message": "Which grammar do you test? CI uses " + secret, "action_type": "question"}, &sent)
	if err != nil {
		return err
	}
	stored := time.Now()
	d.question = sent.Message
	w := <-woken
	if w.err != nil {
		return w.err
	}
	d.see("beta's waiting check came back with it, %.1f ms after alpha knew it stored:", max(0, w.at.Sub(stored).Seconds()*1000))
	if err := promise(len(w.Messages) == 1, "one message arrives once"); err != nil {
		return err
	}
	text := w.Messages[0].Text
	for line := range strings.Lines(text) {
		d.see("| %s", strings.TrimRight(line, "\n"))
	}
	return errors.Join(
		promise(!strings.Contains(text, secret) && strings.Contains(text, "[REDACTED:") && sent.Redacted == 1, "a secret is masked before it is stored"),
		promise(strings.Contains(text, "another agent"), "a message says that it is not from the user"))
}
