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

func (p *program) tailCommand() *cobra.Command {
	var id string
	var once bool
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Follow what happens, problems first, until Ctrl-C",
		Long: `Follow what happens: problems (members that are silent, deliveries that are dead, conversations about to end), then tasks as they
change hands and messages as they are stored. With --json a line is one event, {"kind":…} and a field of that name.`,
		Args: count(0, 0, "none"),
	}
	cmd.Flags().BoolVar(&once, "once", false, "print how things stand, and leave")
	p.conversationFlag(cmd, &id, "only this conversation")
	p.jsonFlag(cmd)
	return p.asPerson(cmd, func(ctx context.Context, o *opened, _ []string) error {
		signal.Ignore(syscall.SIGPIPE) // a reader that left ends the feed like Ctrl-C
		f := &feed{p: p, o: o, only: bridge.ConversationID(id), seen: map[bridge.ConversationID]int64{}, told: map[string]bool{}, work: map[bridge.ConversationID]*taskFeed{}}
		// Watch first, then look: nothing that happens in between is missed.
		hint := o.svc.WatchFeed(ctx, f.only)
		clock := time.NewTicker(o.conf.SweepEvery) // silence makes no commit
		defer clock.Stop()
		for {
			err := f.look(ctx)
			if err == nil {
				err = p.flush()
			}
			switch {
			case once:
				return err
			case errors.Is(err, context.Canceled), errors.Is(err, syscall.EPIPE):
				return nil
			case err != nil:
				return err
			}
			select {
			case <-hint:
			case <-clock.C:
			case <-ctx.Done():
				return nil
			}
		}
	})
}
