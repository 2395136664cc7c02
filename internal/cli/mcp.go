package cli

import (
	"context"
	"io"
	"os/signal"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"agentbridge/internal/agent"
	"agentbridge/internal/bridge"
	"agentbridge/internal/clients"
	"agentbridge/internal/mcpserver"
)

func (p *program) mcpCommand() *cobra.Command {
	channel := false
	cmd := &cobra.Command{
		Use:   "mcp",
		Short: "One agent's MCP server on stdio: what an MCP client starts",
		Long: `One agent's MCP server on stdio. Name it as the command of a server in your client's settings; nothing else needs to run. All agents
of this machine meet in one store.

Without --as the agent is named after the working directory.

With --server, or where the agent joined a hub, its bridge is that hub: the same tools, over the network. It needs the agent's token, in
AGENTBRIDGE_TOKEN or where "agentbridge join" put it, and nothing else of this machine.

With --channel it tells a Claude Code that was started with --dangerously-load-development-channels server:NAME when messages wait, as
turns of its own; NAME is what the settings call the server. What they say is read with check_messages alone.`,
		Example: "  agentbridge mcp --as alpha",
		Args:    count(0, 0, "none"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return p.mcp(cmd.Context(), channel) },
	}
	p.asFlag(cmd)
	cmd.Flags().Lookup("as").Usage = "the agent of this machine to act as, made on first use (default: the working directory's name)"
	p.serverFlag(cmd)
	cmd.Flags().BoolVar(&channel, "channel", false, "be a channel of Claude Code: a message wakes the model")
	return cmd
}

func (p *program) mcp(ctx context.Context, channel bool) error {
	signal.Ignore(syscall.SIGPIPE) // a client that left is an end like any other
	conf, err := p.loadConfig()
	if err != nil {
		return err
	}
	if hub, err := p.mcpHub(conf); hub != nil || err != nil {
		if err != nil {
			return err
		}
		return p.mcpAtHub(ctx, conf, hub, channel)
	}
	o, err := p.openAt(ctx, conf, fresh)
	if err != nil {
		return err
	}
	defer o.close()
	caller, err := p.claim(ctx, o)
	if err != nil {
		return err
	}
	dog, err := o.watchdog()
	if err != nil {
		return err
	}
	options := mcpserver.Options{Version: build().Version, Log: p.log}
	if channel {
		options.Channel = agent.Channel(agent.Looking{Service: o.svc, Caller: caller}, clients.Notice)
	}
	server := mcpserver.New(o.svc, options)
	defer server.Close()
	ctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	dog.Begin(ctx)
	wg.Go(func() { dog.Run(ctx) })
	wg.Go(func() { o.runner()(ctx) })
	err = agent.Run(ctx, agent.Options{Service: o.svc, Server: server, Caller: caller, Replace: o.replacement(caller), In: readCloser(ownPipe(p.stdin)), Out: writeCloser(p.stdout), Log: p.log})
	if err != nil {
		return bridge.Errorf(bridge.Invalid, "serve the client: %w", err).WithHint("a client speaks MCP on stdin, one message a line")
	}
	return nil
}

func readCloser(r io.Reader) io.ReadCloser {
	if c, ok := r.(io.ReadCloser); ok {
		return c
	}
	return io.NopCloser(r)
}

func writeCloser(w io.Writer) io.WriteCloser {
	if c, ok := w.(io.WriteCloser); ok {
		return c
	}
	return struct {
		io.Writer
		io.Closer
	}{w, io.NopCloser(nil)}
}
