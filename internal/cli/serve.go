package cli

import (
	"context"
	"errors"
	"log/slog"
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
		Short: "A hub: the same tools over HTTP, for clients of this machine and of others",
		Long: `A hub: MCP over streamable HTTP at /mcp. Every request needs the bearer token of an agent. On another machine agentbridge join gets one
for a code of agentbridge create; for a client without agentbridge, agentbridge token new --name NAME prints one.

On a loopback address it speaks in clear. On every other it speaks TLS: with the certificate of --tls-cert and --tls-key, which is read
anew when the files change, or with one that it makes for itself and that the codes of invites tell by its fingerprint. With
--behind-proxy it speaks in clear everywhere, to a proxy that ends TLS; nobody else may reach it then.

/readyz says whether it takes work. /healthz says whether all is well, and /metrics is for Prometheus: both answer this machine alone.`,
		Example: "  agentbridge serve\n  agentbridge serve --listen 0.0.0.0:7483\n  agentbridge serve --listen 0.0.0.0:443 --tls-cert hub.pem --tls-key hub.key --url https://hub.example",
		Args:    count(0, 0, "none"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return p.serve(cmd.Context()) },
	}
	flags := cmd.Flags()
	flags.StringVar(&p.serving.Listen, "listen", "", "address to listen on (default 127.0.0.1:7483)")
	flags.StringVar(&p.serving.TLSCert, "tls-cert", "", "certificate, with those that signed it, PEM")
	flags.StringVar(&p.serving.TLSKey, "tls-key", "", "its key, PEM")
	flags.BoolVar(&p.serving.BehindProxy, "behind-proxy", false, "speak in clear to a proxy that ends TLS")
	flags.StringVar(&p.serving.URL, "url", "", "where others reach the hub, as invites say it (default: what can be told from --listen and the certificate)")
	_ = cmd.MarkFlagFilename("tls-cert")
	_ = cmd.MarkFlagFilename("tls-key")
	return cmd
}

func (p *program) serve(ctx context.Context) error {
	conf, err := p.loadConfig()
	if err != nil {
		return err
	}
	if conf.from["log"] == "default" {
		conf.Log = slog.LevelInfo // a service says when it begins and ends
		p.logAs(conf)
	}
	listener, cert, err := p.hubListener(conf)
	if err != nil {
		return err
	}
	defer listener.Close()
	public := conf.publicURL(listener.Addr(), cert)
	address := func() (at bridge.HubAddress) {
		switch {
		case public == nil:
		case cert == nil:
			at.URL = public.String()
		default:
			at = cert.address(public.String(), public.Hostname())
		}
		return at
	}
	o, err := p.openAt(ctx, conf, fresh)
	if err != nil {
		return err
	}
	defer o.close()
	server := mcpserver.New(o.svc, mcpserver.Options{
		Version: build().Version, Log: p.log, AnyHost: conf.BehindProxy || cert != nil, URL: address().URL, Sessionless: conf.onPostgres(),
	})
	dog, err := o.watchdog()
	if err != nil {
		return err
	}
	dog.Metrics, dog.Health = daemon.NewMetrics(o.svc, build().Version, p.log), daemon.NewHealth(o.svc, dog.Every, p.log)
	if cert != nil {
		dog.Health.Also = cert.health
	}
	handler := within(bodyWithin, straight(hubRoutes(ctx, server, dog)))
	if conf.BehindProxy {
		handler = fromProxy(handler)
	}
	hub := &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(p.log.Handler(), slog.LevelDebug), // what strangers do at the door is no news
	}
	ctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	announcing, err := p.announcing(ctx, conf.Data, address)
	if err != nil {
		return err
	}
	wg.Go(announcing)
	dog.Begin(ctx)
	wg.Go(func() { dog.Run(ctx) })
	wg.Go(func() { o.runner()(ctx) })
	wg.Go(func() { daemon.KeepHeadroom(ctx) })
	wg.Go(func() { dog.Health.Keep(ctx, verifyEvery, verifyAgain) })
	wg.Go(func() {
		<-ctx.Done()
		p.log.Info("closing")
		server.Close() // waits end with their proper answers, so that the connections become idle
		finish, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if hub.Shutdown(finish) != nil {
			hub.Close()
		}
	})
	p.tellWhere(listener.Addr(), address(), cert)
	if err := hub.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return bridge.Errorf(bridge.Unavailable, "serve: %w", err)
	}
	return nil
}

// verifyEvery is how often a hub reads all of its audit logs: what /healthz says of them is no older; verifyAgain is how often while one has a
// fault.
const (
	verifyEvery = time.Hour
	verifyAgain = time.Minute
)

// maxHeader bounds the headers of a request, in bytes. The id of a task is the longest that we need.
const maxHeader = 32 << 10

// hubRoutes are the addresses of a hub.
func hubRoutes(ctx context.Context, server *mcpserver.Server, dog *daemon.Watchdog) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("/mcp", server.Handler())
	mux.Handle("/keepalive", server.KeepAlive())
	mux.Handle(mcpserver.AgentsPath, server.Agents())
	mux.Handle("/join", server.Join())
	mux.Handle("/.well-known/oauth-protected-resource", server.Metadata())
	mux.Handle("/.well-known/oauth-protected-resource/mcp", server.Metadata())
	mux.Handle("GET /readyz", dog.Health.Ready(ctx.Done()))
	mux.Handle("GET /metrics", daemon.Local(dog.Metrics.Handler()))
	mux.Handle("GET /healthz", daemon.Local(dog.Health))
	return mux
}

// tellWhere says where the hub is. Tests and people read the first line.
func (p *program) tellWhere(at net.Addr, public bridge.HubAddress, cert *certificate) {
	here := "http://" + at.String()
	if cert != nil {
		here = "https://" + at.String()
	}
	p.tell("agentbridge: listening on %s/mcp", here)
	switch {
	case public.URL == "":
		p.tell("agentbridge: invites do not say where this hub is, because nothing says where its proxy is; --url https://… does")
	case public.URL != here:
		p.tell("agentbridge: invites say %s; --url changes that", public.URL)
	}
	if cert != nil {
		now, _ := cert.get(nil)
		p.tell("agentbridge: the certificate's key is %s", cert.fingerprintOf(*now))
	}
	p.log.Info("listening", "address", at.String(), "tls", cert != nil, "url", public.URL, "version", build().Version)
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
