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
	store engine
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
	for key, value := range map[string]string{
		"data": p.data, "store": p.store, "config": p.config,
		"listen": p.serving.Listen, "url": p.serving.URL, "tls_cert": p.serving.TLSCert, "tls_key": p.serving.TLSKey, "behind_proxy": onIf(p.serving.BehindProxy),
	} {
		if value != "" {
			flags[key] = value
		}
	}
	conf, err := loadConfig(flags, os.Getenv)
	if err != nil {
		return nil, err
	}
	p.logAs(conf)
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

func (p *program) openAt(ctx context.Context, conf *config, mayMake bool) (*opened, error) {
	b, err := p.openStore(ctx, conf, mayMake)
	if err != nil {
		return nil, err
	}
	scanner, err := conf.scanner()
	if err != nil {
		return nil, errors.Join(err, b.store.Close())
	}
	signer, err := p.signer(ctx, b.store, conf.Data)
	if err != nil {
		return nil, errors.Join(err, b.store.Close())
	}
	svc, err := bridge.New(ctx, b.store, bridge.Options{
		Config: conf.Bridge, Keys: b.ring, Reload: p.reload(b.file), Scanner: scanner, Dead: b.store.Dead, Log: p.log, Rules: conf.Policy.options(""),
		Signer: signer, Witness: p.witness(conf.Data, b.path), Address: p.announced(conf.Data),
	})
	if err != nil {
		return nil, errors.Join(err, b.store.Close())
	}
	if conf.Bridge.Limits.Name == bridge.NoLimits.Name {
		p.log.Warn("limits are off", "set_by", conf.from["limits"])
	}
	return &opened{conf: conf, store: b.store, svc: svc, log: p.log, keys: b.file}, nil
}

// base is a store, and the keys that are to be its own; whether they are, nobody has looked yet.
type base struct {
	path  string
	store engine
	ring  *bridge.KeyRing
	file  *ringFile
}

// openStore opens what a bridge stands on.
func (p *program) openStore(ctx context.Context, conf *config, mayMake bool) (b base, err error) {
	if conf.onPostgres() {
		return p.openPostgres(ctx, conf, mayMake)
	}
	if b.path, err = conf.storePath(); err != nil {
		return b, err
	}
	if info, err := os.Stat(b.path); !mayMake && errors.Is(err, fs.ErrNotExist) {
		return b, bridge.Errorf(bridge.NotFound, "there is no store at %s", b.path).
			WithHint("agents make it when they start; name the directory of yours with --data DIR")
	} else if err == nil && info.IsDir() {
		return b, bridge.Errorf(bridge.Invalid, "store %s is a directory", b.path).
			WithHint("name the database in it, as in --store sqlite:%s, or the directory alone with --data DIR", filepath.Join(b.path, storeFile))
	}
	if err := dataDir(conf.Data, p.log); err != nil {
		return b, err
	}
	if err := privateDir(filepath.Join(conf.Data, agentsDir), true, p.log); err != nil {
		return b, err
	}
	b.file = ringFileOf(conf.Data)
	b.file.changed() // before it is read: what changes from now on is new
	if b.ring, err = readKeys(conf.Data, b.path, p.log); err != nil {
		return b, err
	}
	store, err := sqlite.Open(ctx, b.path, sqlite.Options{Logger: p.log})
	if err != nil {
		return b, err
	}
	b.store = store
	return b, nil
}

// readKeys reads the key ring, or makes one for a store that does not exist yet. Processes that start together get the same.
func readKeys(dir, store string, log *slog.Logger) (*bridge.KeyRing, error) {
	// The store first: whoever makes both makes the key first, so a store without a key has lost it.
	info, err := os.Stat(store)
	return readKeysOf(dir, err == nil && info.Size() > 0, store, log)
}

// readKeysOf reads the key ring of a store that was made already, or not.
func readKeysOf(dir string, made bool, store string, log *slog.Logger) (*bridge.KeyRing, error) {
	if text := os.Getenv(keysVariable); text != "" {
		return bridge.ParseKeyRing([]byte(text))
	}
	path := keyPath(dir)
	text, err := readPrivate(path, log)
	if errors.Is(err, fs.ErrNotExist) {
		if made {
			return nil, bridge.Errorf(bridge.Invalid, "the key file %s is missing, but its store is there", path).
				WithHint("put the key file back from your backup, or copy it from another hub of this store; if it is lost, move %s away as well and begin anew: its tokens cannot be verified any more", store)
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
