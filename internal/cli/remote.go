package cli

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"agentbridge/internal/agent"
	"agentbridge/internal/bridge"
	"agentbridge/internal/clients"
	"agentbridge/internal/mcpserver"
)

// agentBridge is a bridge as an agent's verbs need it: that of this machine's store, or one behind a hub.
type agentBridge interface {
	mcpserver.Bridge
	Ack(context.Context, bridge.Caller, bridge.Receipt, bridge.How) error
}

// serverFlag lets an agent's command go to a hub.
func (p *program) serverFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.server, "server", "", "address of a hub (default: where the agent joined, else the store of this machine)")
}

// hub finds the hub that the agent is at, with its token: the one that --server names, or where it joined. nil: it is in the store of
// this machine. nameAgent came before.
func (p *program) hub(conf *config) (*agent.Hub, error) {
	at, ok, err := bridge.HubAddress{}, true, error(nil)
	switch {
	case p.server != "":
		at, err = p.hubAt(conf, p.server, p.as)
	case p.as == "" || os.Getenv(tokenVariable) != "": // a token without an address is this machine's
		ok = false
	default:
		at, ok, err = p.hubOf(conf, p.as)
	}
	if err != nil || !ok {
		return nil, err
	}
	token, err := p.bearerOf(conf)
	if err != nil {
		return nil, err
	}
	hub, err := agent.NewHub(at, token, conf.Bridge.Heartbeat)
	if err == nil && os.Getenv(tokenVariable) == "" { // what is in a variable is kept by nobody
		hub.Keep(p.keeping(conf, p.as))
	}
	return hub, err
}

// keeping is where the token of an agent at a hub is.
func (p *program) keeping(conf *config, name string) agent.Keeping {
	path := filepath.Join(conf.Data, agentsDir, name+tokenSuffix)
	return agent.Keeping{
		Turn: func(ctx context.Context) (func() error, error) {
			return lockFile(ctx, filepath.Join(conf.Data, agentsDir, making))
		},
		Read: func() (string, error) {
			token, err := readPrivate(path, p.log)
			return strings.TrimSpace(string(token)), err
		},
		Write: func(token string) error { return writePrivate(path, []byte(token+"\n"), true) },
	}
}

// partingTime is how long a command takes at most to give back what it took and nobody has.
const partingTime = 5 * time.Second

// atHub makes an agent's verb talk to a hub.
func (p *program) atHub(ctx context.Context, hub *agent.Hub, do func(agentBridge, bridge.Caller) error) error {
	remote := agent.NewRemote(hub, agent.RemoteOptions{Redact: masked, Log: p.log})
	caller := bridge.Caller{Passing: true}
	defer func() {
		bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), partingTime)
		defer cancel()
		if err := remote.Close(bye, caller); err != nil {
			p.log.Warn("give back what was not acked", "error", err)
		}
	}()
	return do(remote, caller)
}

// mcpAtHub is `mcp` for an agent whose bridge is a hub. It makes nothing on this machine.
func (p *program) mcpAtHub(ctx context.Context, conf *config, hub *agent.Hub, channel bool) error {
	options := mcpserver.Options{Version: build().Version, Log: p.log}
	if channel {
		options.Channel = agent.Channel(hub, clients.Notice)
	}
	remote := agent.NewRemote(hub, agent.RemoteOptions{Redact: masked, Log: p.log})
	server := mcpserver.New(remote, options)
	defer server.Close()
	alone, release := p.shareName(conf)
	defer release()
	return agent.RunRemote(ctx, agent.RemoteRun{
		Remote: remote, Server: server, Name: p.bearerName(), Alone: alone, In: readCloser(ownPipe(p.stdin)), Out: writeCloser(p.stdout), Log: p.log,
		Say: func(line string) { p.tell("%s", masked(line)) },
	})
}

// mcpHub finds the hub that the agent of an `mcp` is at, also where that is called after the working directory; nil: it is in the store
// of this machine, where it needs no name.
func (p *program) mcpHub(conf *config) (*agent.Hub, error) {
	if p.server == "" && p.as == "" {
		dir, err := os.Getwd()
		if err != nil || os.Getenv(tokenVariable) != "" {
			return nil, nil
		}
		name := agentName(filepath.Base(dir))
		if _, joined, err := p.hubOf(conf, name); !joined || err != nil {
			return nil, err
		}
		p.as = name // which would be the one in the store, too
	}
	if err := p.nameAgent(conf); err != nil {
		return nil, err
	}
	return p.hub(conf)
}

// bearerName is whose token it must be that goes to a hub; empty: anybody's. What lies on this machine under a name may be called
// otherwise at the hub; who gives a token and a name may have mixed them up.
func (p *program) bearerName() string {
	if os.Getenv(tokenVariable) == "" {
		return ""
	}
	return p.as
}

// shareName locks the agent's name for the life of this process, shared with others that are the same agent, and gives what reports
// whether there are none. Whose token is not in the data directory shares it with nobody knows whom: nil.
func (p *program) shareName(conf *config) (alone func() bool, release func()) {
	if p.as == "" || os.Getenv(tokenVariable) != "" {
		return nil, func() {}
	}
	dir := filepath.Join(conf.Data, agentsDir)
	// Never unlinked: two processes would lock two files of one name.
	f, err := os.OpenFile(filepath.Join(dir, p.as+lockSuffix), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		p.log.Info("lock the agent's name", "error", err)
		return nil, func() {}
	}
	return func() bool {
		// One at a time: of two that begin together, not both are alone, and neither ends up without the lock.
		release, err := lockFile(context.Background(), filepath.Join(dir, making))
		if err != nil {
			p.log.Info("lock the agent's name", "error", err)
			return false
		}
		defer release()
		unlock(f)
		is := tryLock(f, true)
		if is {
			unlock(f)
		}
		return tryLock(f, false) && is
	}, func() { f.Close() }
}
