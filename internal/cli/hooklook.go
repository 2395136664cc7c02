package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"agentbridge/internal/agent"
	"agentbridge/internal/bridge"
	"agentbridge/internal/clients"
	"agentbridge/internal/postgres"
	"agentbridge/internal/sqlite"
)

// hookLook is where a hook looks for what waits, and what it remembers of its session.
type hookLook struct {
	from  agent.Source
	told  toldFile
	close func()
}

// look finds the agent whose hook it is and opens what it looks at. It makes nothing: where there is no agent or no store, the error
// is [bridge.NotFound].
func (p *program) look(ctx context.Context, h clients.Hook, call clients.Call, server string) (l hookLook, err error) {
	conf, err := p.loadConfig()
	p.quiet()
	if err != nil {
		return l, err
	}
	token, name, err := p.hookToken(conf, h.Client, call)
	if err != nil {
		return l, err
	}
	l.told = toldOf(conf.Data, h.Client, call.Session, name, server)
	at, remote := bridge.HubAddress{}, server != ""
	switch {
	case remote:
		at, err = p.hubAt(conf, server, name)
	case name != "" && os.Getenv(tokenVariable) == "": // as for mcp: a token without an address is this machine's
		at, remote, err = p.hubOf(conf, name)
	}
	if err != nil {
		return l, err
	}
	if remote {
		l.close = func() {}
		l.from, err = agent.NewHub(at, token, conf.Bridge.Heartbeat)
		return l, err
	}
	store, ring, err := p.openReading(ctx, conf)
	if err != nil {
		return l, err
	}
	l.close = func() { _ = store.Close() }
	svc := bridge.Reading(store, conf.Bridge, ring)
	caller, err := svc.Authenticate(ctx, token, bridge.Origin{Local: true})
	if err != nil {
		l.close()
		return l, err
	}
	l.from = agent.Looking{Service: svc, Caller: caller}
	return l, nil
}

// openReading opens a store to look at it, with the keys that are there. It makes nothing: where one is missing, there is no store yet.
func (p *program) openReading(ctx context.Context, conf *config) (bridge.Store, *bridge.KeyRing, error) {
	path, err := conf.storePath()
	if err != nil {
		return nil, nil, err
	}
	needed := []string{path, keyPath(conf.Data)}
	switch {
	case os.Getenv(keysVariable) != "":
		needed = nil
	case conf.onPostgres():
		needed = needed[1:]
	}
	for _, name := range needed {
		if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
			return nil, nil, bridge.Errorf(bridge.NotFound, "there is no store yet")
		}
	}
	ring, err := readKeysOf(conf.Data, true, conf.storeName(), p.log)
	if err != nil {
		return nil, nil, err
	}
	if conf.onPostgres() {
		store, err := postgres.OpenReading(ctx, conf.Store, postgres.Options{})
		return store, ring, err
	}
	store, err := sqlite.OpenReading(ctx, path, sqlite.Options{})
	return store, ring, err
}

// hookToken reads the token of the agent whose hook it is. It makes none.
func (p *program) hookToken(conf *config, client string, call clients.Call) (token, name string, err error) {
	if token := os.Getenv(tokenVariable); token != "" {
		return strings.TrimSpace(token), p.as, nil
	}
	if name = p.as; name == "" {
		dir := projectOf(client, call)
		if dir == "" {
			return "", "", bridge.Errorf(bridge.NotFound, "the project has no directory")
		}
		name = namesake(conf.Data, agentName(filepath.Base(dir)))
	} else if err := checkFileName(name); err != nil {
		return "", "", err
	}
	text, err := readPrivate(filepath.Join(conf.Data, agentsDir, name+tokenSuffix), p.log)
	if errors.Is(err, fs.ErrNotExist) {
		err = bridge.Errorf(bridge.NotFound, "there is no agent %s on this machine", name)
	}
	return strings.TrimSpace(string(text)), name, err
}

// mostNamesakes is how many sessions in one directory are told apart.
const mostNamesakes = 9

// namesake is the agent of this session among those that are called after the same directory: NAME, NAME-2 and so on, as `mcp` takes
// them, each locked by the `mcp` process of its session. Where nobody can tell, it is NAME.
func namesake(data, name string) string {
	names, locks := []string{name}, []fs.FileInfo{}
	for n := 2; n <= mostNamesakes; n++ {
		other := numbered(name, n)
		if _, err := os.Stat(filepath.Join(data, agentsDir, other+tokenSuffix)); err == nil {
			names = append(names, other)
		}
	}
	if len(names) == 1 {
		return name
	}
	for _, n := range names {
		info, _ := os.Stat(filepath.Join(data, agentsDir, n+lockSuffix))
		locks = append(locks, info)
	}
	if i := nearestLocked(locks); i >= 0 {
		return names[i]
	}
	return name
}

// projectOf is the directory in which the client started its servers, since that one names the agent. A session may have moved
// elsewhere meanwhile, which cwd follows; some clients say where it began.
func projectOf(client string, call clients.Call) string {
	variable := map[string]string{"claude": "CLAUDE_PROJECT_DIR", "gemini": "GEMINI_PROJECT_DIR", "cursor": "CURSOR_PROJECT_DIR"}[client]
	if dir := os.Getenv(variable); variable != "" && filepath.IsAbs(dir) {
		return dir
	}
	if filepath.IsAbs(call.Dir) {
		return call.Dir
	}
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	return dir
}
