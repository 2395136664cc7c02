package cli

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"agentbridge/internal/bridge"
	"agentbridge/internal/sqlite"
)

// keyFile is the key ring's name in the data directory. It is not in the store, so that a copy of the store lets nobody in.
const keyFile = "bridge.key"

// Whether open may make a store.
const (
	fresh    = true  // for agents and hubs: the first to come makes it
	existing = false // for people looking: a mistyped --data is an error, not an empty bridge
)

// opened is a bridge over its store.
type opened struct {
	conf  *config
	store *sqlite.Store
	svc   *bridge.Service
	log   *slog.Logger
	keys  *ringFile
	names []*os.File // locks of the names that this process holds
}

func (o *opened) close() error {
	err := o.store.Close()
	for _, f := range o.names {
		err = errors.Join(err, f.Close())
	}
	return err
}

// loadConfig reads the configuration and starts the log.
func (p *program) loadConfig() (*config, error) {
	flags := map[string]string{}
	for key, value := range map[string]string{"data": p.data, "store": p.store, "config": p.config, "listen": p.listen} {
		if value != "" {
			flags[key] = value
		}
	}
	conf, err := loadConfig(flags, os.Getenv)
	if err != nil {
		return nil, err
	}
	p.logFrom(conf.Log)
	return conf, nil
}

// open reads the configuration and opens the bridge it names.
func (p *program) open(ctx context.Context, mayMake bool) (*opened, error) {
	conf, err := p.loadConfig()
	if err != nil {
		return nil, err
	}
	return p.openAt(ctx, conf, mayMake)
}

func (p *program) openAt(ctx context.Context, conf *config, mayMake bool) (o *opened, err error) {
	path, err := conf.storePath()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); !mayMake && errors.Is(err, fs.ErrNotExist) {
		return nil, bridge.Errorf(bridge.NotFound, "there is no store at %s", path).
			WithHint("agents make it when they start; name the directory of yours with --data DIR")
	}
	if err := dataDir(conf.Data, p.log); err != nil {
		return nil, err
	}
	if err := privateDir(filepath.Join(conf.Data, agentsDir), true, p.log); err != nil {
		return nil, err
	}
	ring := &ringFile{path: keyPath(conf.Data)}
	ring.changed() // before it is read: what changes from now on is new
	keys, err := readKeys(conf.Data, path, p.log)
	if err != nil {
		return nil, err
	}
	scanner, err := conf.scanner()
	if err != nil {
		return nil, err
	}
	store, err := sqlite.Open(ctx, path, sqlite.Options{Logger: p.log})
	if err != nil {
		return nil, err
	}
	signer, err := p.signer(ctx, store, conf.Data)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	svc, err := bridge.New(ctx, store, bridge.Options{Config: conf.Bridge, Keys: keys, Reload: p.reload(ring), Scanner: scanner, Dead: store.Dead, Log: p.log, Signer: signer, Witness: p.witness(conf.Data, path)})
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	if conf.Bridge.Limits.Name == bridge.NoLimits.Name {
		p.log.Warn("limits are off", "set_by", conf.from["limits"])
	}
	return &opened{conf: conf, store: store, svc: svc, log: p.log, keys: ring}, nil
}

// readKeys reads the key ring, or makes one for a store that does not exist yet. Processes that start together get the same.
func readKeys(dir, store string, log *slog.Logger) (*bridge.KeyRing, error) {
	// The store first: whoever makes both makes the key first, so a store without a key has lost it.
	info, err := os.Stat(store)
	made := err == nil && info.Size() > 0
	path := keyPath(dir)
	text, err := readPrivate(path, log)
	if errors.Is(err, fs.ErrNotExist) {
		if made {
			return nil, bridge.Errorf(bridge.Invalid, "the key file %s is missing, but its store is there", path).
				WithHint("put the key file back from your backup; if it is lost, move %s away as well and begin anew: its tokens cannot be verified any more", store)
		}
		ring := bridge.NewKeyRing()
		if text, err = ring.MarshalText(); err != nil {
			return nil, err
		}
		err = writePrivate(path, text, false)
		if err == nil {
			return ring, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		text, err = readPrivate(path, log) // another process was first
	}
	if err != nil {
		return nil, err
	}
	return bridge.ParseKeyRing(text)
}
