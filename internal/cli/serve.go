package cli

import (
	"context"
	"errors"
	"net"
	"net/http"
	"path"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
	"agentbridge/internal/daemon"
	"agentbridge/internal/mcpserver"
)

func (p *program) serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "A hub: the same tools over HTTP, for clients of this machine",
		Long: `A hub: MCP over streamable HTTP at /mcp. Every request needs the bearer token of an agent: agentbridge token new --name NAME prints one.
/healthz says whether all is well, and /metrics is for Prometheus: both answer this machine, without a token.
It listens on a loopback address only, because what it says is not encrypted.`,
		Args: count(0, 0, "none"),
		RunE: func(cmd *cobra.Command, _ []string) error { return p.serve(cmd.Context()) },
	}
	cmd.Flags().StringVar(&p.listen, "listen", "", "address to listen on (default 127.0.0.1:7483)")
	return cmd
}

func (p *program) serve(ctx context.Context) error {
	conf, err := p.loadConfig()
	if err != nil {
		return err
	}
	listener, err := listenLocally(conf.Listen)
	if err != nil {
		return err
	}
	defer listener.Close()
	o, err := p.openAt(ctx, conf, fresh)
	if err != nil {
		return err
	}
	defer o.close()
	server := mcpserver.New(o.svc, mcpserver.Options{Version: build().Version, Log: p.log})
	mux := http.NewServeMux()
	mux.Handle("/mcp", server.Handler())
	mux.Handle("/keepalive", server.KeepAlive())
	mux.Handle(mcpserver.AgentsPath, server.Agents())
	dog, err := o.watchdog()
	if err != nil {
		return err
	}
	dog.Metrics, dog.Health = daemon.NewMetrics(o.svc, build().Version, p.log), daemon.NewHealth(o.svc, dog.Every, p.log)
	mux.Handle("GET /metrics", daemon.Local(dog.Metrics.Handler()))
	mux.Handle("GET /healthz", daemon.Local(dog.Health))
	hub := &http.Server{Handler: straight(mux), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}

	ctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	dog.Begin(ctx)
	wg.Go(func() { dog.Run(ctx) })
	wg.Go(func() { daemon.KeepHeadroom(ctx) })
	wg.Go(func() {
		<-ctx.Done()
		server.Close() // waits end with their proper answers, so that the connections become idle
		finish, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if hub.Shutdown(finish) != nil {
			hub.Close()
		}
	})
	p.tell("agentbridge: listening on http://%s/mcp", listener.Addr())
	if err := hub.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return bridge.Errorf(bridge.Unavailable, "serve: %w", err)
	}
	return nil
}

// straight refuses addresses that the mux would put in order by a redirect, which says them again: they may hold anything.
func straight(mux http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path.Clean(r.URL.Path) {
			http.NotFound(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// listenLocally listens on a loopback address and refuses every other: tokens would cross the network in clear.
func listenLocally(address string) (net.Listener, error) {
	resolved, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		// Not shown, nor what is said of it: the words of a secret in the wrong place are torn apart there.
		return nil, bridge.Errorf(bridge.Invalid, "listen: there is no such address").WithHint("write it like 127.0.0.1:7483")
	}
	if !resolved.IP.IsLoopback() {
		return nil, bridge.Errorf(bridge.Invalid, "listen on %s: tokens and messages would cross the network in clear", address).
			WithHint("listen on 127.0.0.1, and let another machine in through ssh -L 7483:127.0.0.1:7483 HOST")
	}
	listener, err := net.ListenTCP("tcp", resolved)
	if err != nil {
		return nil, bridge.Errorf(bridge.Unavailable, "listen on %s: %w", address, err).WithHint("is another hub running there? choose another address with --listen")
	}
	return listener, nil
}
