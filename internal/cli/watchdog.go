package cli

import (
	"context"
	"errors"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
	"agentbridge/internal/daemon"
)

func (p *program) watchdogCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "watchdog",
		Short: "Watch over the agents from a process of its own, until Ctrl-C",
		Long: `Watch over the agents from a process of its own: mark who fell silent, take back what lapsed, and bring alerts to the webhook and the
command that are set. Every agentbridge mcp and serve does the same while it runs; any number may. Each alert is a line, whoever
raised it; with --json it is what a webhook gets.`,
		Example: "  AGENTBRIDGE_ALERT_COMMAND='notify-send agentbridge' agentbridge watchdog",
		Args:    count(0, 0, "none"),
	}
	p.jsonFlag(cmd)
	return p.asPerson(cmd, func(ctx context.Context, o *opened, _ []string) error { return p.watch(ctx, o) })
}

func (p *program) watch(ctx context.Context, o *opened) error {
	signal.Ignore(syscall.SIGPIPE) // a reader that left ends it like Ctrl-C
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	dog, err := o.watchdog()
	if err != nil {
		return err
	}
	dog.Alert = func(a bridge.Alert) {
		p.alert(a)
		if err := p.flush(); err != nil {
			stop(err)
		}
	}
	p.tell("agentbridge: watching %s every %s, alerts go to %s", o.conf.Store, showDuration(dog.Every), strings.Join(append(sinkNames(dog.Sinks), "stdout"), ", "))
	var wg sync.WaitGroup
	wg.Go(func() { o.runner()(ctx) })
	dog.Run(ctx)
	wg.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, syscall.EPIPE) {
		return err
	}
	return nil
}

// alert prints an alert as a line.
func (p *program) alert(a bridge.Alert) {
	if p.json {
		p.encode(a)
		return
	}
	kind := string(a.Kind)
	if a.Kind != bridge.AlertRecovered {
		kind = p.style(red, kind)
	}
	p.printf("%s  %s  %s  %s  %s\n", clock(a.At), dash(string(a.Conversation)), kind, dash(a.Member), a.Text)
}

// watchdog is what every process that stays does beside its own work.
func (o *opened) watchdog() (*daemon.Watchdog, error) {
	sinks, err := o.conf.sinks()
	return &daemon.Watchdog{Service: o.svc, Every: o.conf.SweepEvery, Sinks: sinks, Log: o.log}, err
}

// sinks makes the sinks of the alert settings. Only who brings alerts somewhere needs the secret, so only here it must be there.
func (c *config) sinks() (list []daemon.Sink, err error) {
	if c.AlertWebhook != "" {
		if c.AlertSecret == "" {
			return nil, bridge.Errorf(bridge.Invalid, "alert_webhook (set by %s) needs alert_secret: it signs what is sent there", c.from["alert_webhook"]).
				WithHint("set alert_secret where alert_webhook is set, to at least 16 characters that the receiver knows too: openssl rand -base64 32")
		}
		address, err := daemon.ParseWebhook(string(c.AlertWebhook))
		if err != nil {
			return nil, err
		}
		key, err := daemon.ParseSecret(string(c.AlertSecret))
		if err != nil {
			return nil, err
		}
		list = append(list, daemon.Webhook(address, key))
	}
	if c.AlertCommand != "" {
		list = append(list, daemon.Command(string(c.AlertCommand), masked))
	}
	return list, nil
}

func sinkNames(list []daemon.Sink) (names []string) {
	for _, s := range list {
		names = append(names, s.Kind)
	}
	return names
}
