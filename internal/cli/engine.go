package cli

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"agentbridge/internal/archive"
	"agentbridge/internal/bridge"
	"agentbridge/internal/postgres"
)

// engine is a store of either kind, as commands need it.
type engine interface {
	bridge.Store
	// Instance names this process, as others know it.
	Instance() bridge.Instance
	// Dead reports whether an instance is a process that is known to have ended.
	Dead(bridge.Instance) bool
	// Foreign names what another hand put into the database, or took out of it.
	Foreign(ctx context.Context) ([]string, error)
	// Dump gives all rows as of one moment, Load puts rows into a store that has none, and Mark says that it is being moved, or was.
	Dump(ctx context.Context, table func(archive.Table) error, each func([]any) error) error
	Load(ctx context.Context, give func(table func(archive.Table) error, row func([]any) error) error) error
	Mark(ctx context.Context, as int64, where string) error
}

// keysVariable is the variable that may hold the text of the key file instead, for hubs without a disk of their own.
const keysVariable = "AGENTBRIDGE_KEYS"

// onPostgres reports whether the store is a PostgreSQL database.
func (c *config) onPostgres() bool {
	return strings.HasPrefix(c.Store, "postgres:") || strings.HasPrefix(c.Store, "postgresql:")
}

// hasStore reports whether this machine has a store: a file that is there, or a database that the settings name.
func (c *config) hasStore() bool {
	path, err := c.storePath()
	return c.onPostgres() || err == nil && fileIsThere(path)
}

// storeName is what to call the store: the path of the file, or the address without its password and parameters.
func (c *config) storeName() string {
	if !c.onPostgres() {
		path, _ := c.storePath()
		return path
	}
	u, err := url.Parse(c.Store)
	if err != nil {
		return "postgres://…"
	}
	shown := url.URL{Scheme: "postgres", Host: u.Host, Path: u.Path}
	if u.User != nil {
		shown.User = url.User(u.User.Username())
	}
	return shown.String()
}

// checkAddress refuses to write an address with its password where others may read it.
func (c *config) checkAddress() error {
	u, err := url.Parse(c.Store)
	if err == nil && u.User != nil {
		if _, has := u.User.Password(); !has && !u.Query().Has("password") {
			return nil
		}
	} else if err == nil && !u.Query().Has("password") {
		return nil
	}
	return bridge.Errorf(bridge.Invalid, "the address of the store holds a password, which would be written into the client's settings").
		WithHint("leave it out of --store, and keep it in ~/.pgpass")
}

// openPostgres opens a store in a PostgreSQL database. What is this hub's own lies in the data directory: keys, tokens of local agents, and what
// was seen of the audit log.
func (p *program) openPostgres(ctx context.Context, conf *config, mayMake bool) (b base, err error) {
	store, err := postgres.Open(ctx, conf.Store, postgres.Options{Logger: p.log, Existing: !mayMake})
	if err != nil {
		return b, err
	}
	if b.ring, b.file, err = p.ownFiles(ctx, conf, store); err != nil {
		return b, errors.Join(err, store.Close())
	}
	b.store, b.path = store, filepath.Join(conf.Data, "postgres-"+databaseOf(conf.Store))
	return b, nil
}

// ownFiles makes the data directory and reads the keys of a store that is elsewhere.
func (p *program) ownFiles(ctx context.Context, conf *config, store bridge.Store) (*bridge.KeyRing, *ringFile, error) {
	if err := dataDir(conf.Data, p.log); err != nil {
		return nil, nil, err
	}
	if err := privateDir(filepath.Join(conf.Data, agentsDir), true, p.log); err != nil {
		return nil, nil, err
	}
	file := ringFileOf(conf.Data)
	file.changed() // before it is read: what changes from now on is new
	used := false
	err := store.View(ctx, func(tx bridge.Tx) error {
		first, err := tx.Entries(bridge.DeploymentLog, 0, 1)
		used = len(first) > 0
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	ring, err := readKeysOf(conf.Data, used, conf.storeName(), p.log)
	return ring, file, err
}

// databaseOf tells the databases apart that one data directory may have seen. Hosts may change, as when a standby takes over.
func databaseOf(address string) string {
	h := fnv.New32a()
	if u, err := url.Parse(address); err == nil {
		_, _ = h.Write([]byte(u.Path + "?" + u.Query().Get("search_path"))) // never fails
	}
	return fmt.Sprintf("%08x", h.Sum32())
}

// ringFileOf is the key file, or none where the environment has the keys.
func ringFileOf(dir string) *ringFile {
	if os.Getenv(keysVariable) != "" {
		return &ringFile{}
	}
	return &ringFile{path: keyPath(dir)}
}
