package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/postgres"
)

// examine looks at everything, from the outside in, and stops where nothing more can be seen.
func (p *program) examine(ctx context.Context, conf *config, d *diagnosis) {
	if conf.file == "" {
		d.good("configuration", "no file; agentbridge.toml in the data directory would be read")
	} else if info, err := os.Stat(conf.file); err == nil && lax(info) && conf.secretFile() {
		d.bad("configuration", bridge.Errorf(bridge.Denied, "%s holds a secret and is open to other users (mode %04o)", conf.file, info.Mode().Perm()).WithHint("chmod go= %s", conf.file))
	} else {
		d.good("configuration", "%s", conf.file)
	}
	for _, name := range strayVariables(os.Environ()) {
		d.bad("configuration", bridge.Errorf(bridge.Invalid, "%s is no setting, and does nothing", name).WithHint("unset %s, or correct its name", name))
	}
	switch conf.Bridge.Limits.Name {
	case bridge.NoLimits.Name:
		d.bad("limits", bridge.Errorf(bridge.Invalid, "limits are off: nothing stops a loop of agents (set by %s)", conf.from["limits"]).
			WithHint("set limits to default once the load test is over"))
	default:
		d.good("limits", "%s", conf.Bridge.Limits.Name)
		for _, b := range conf.Bridge.Limits.Budgets {
			d.good("limit", "%s %s: %s", b.Of, b.What(), b)
		}
	}
	switch sinks, err := conf.sinks(); {
	case err != nil:
		d.bad("alerts", err)
	case len(sinks) == 0:
		d.good("alerts", "to orchestrators and the log; alert_webhook and alert_command bring them elsewhere")
	default:
		d.good("alerts", "to orchestrators, the log, %s", strings.Join(sinkNames(sinks), " and "))
	}
	if _, err := os.Stat(filepath.Join(conf.Data, keyFile)); err == nil { // before, there is nothing to hide
		modes(conf, d)
	}
	if conf.onPostgres() {
		p.examineStore(ctx, conf, d)
		return
	}
	path, _ := conf.storePath()
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		d.good("store", "none yet at %s; the first agent makes it", path)
		return
	}
	if err == nil {
		d.good("store", "%s, %d KiB, on %s", path, info.Size()>>10, filesystem(filepath.Dir(path)))
	}
	p.examineStore(ctx, conf, d)
}

// examineStore opens the store and looks at it.
func (p *program) examineStore(ctx context.Context, conf *config, d *diagnosis) {
	start := time.Now()
	o, err := p.openAt(ctx, conf, existing)
	if conf.onPostgres() && errors.Is(err, bridge.NotFound) {
		d.good("store", "none yet at %s; the first agent makes it", conf.storeName())
		return
	}
	if err != nil {
		d.bad("store", err)
		return
	}
	defer o.close()
	took := time.Since(start).Round(time.Millisecond)
	if store, ok := o.store.(*postgres.Store); ok {
		d.good("store", "%s", conf.storeName())
		examineServer(store, took, d)
	} else {
		d.good("engine", "SQLite (%s), opened in %s", dependency("modernc.org/sqlite"), took)
	}
	o.examine(ctx, d)
}

// examineServer looks at what a database server said of itself.
func examineServer(store *postgres.Store, took time.Duration, d *diagnosis) {
	at := store.Server()
	d.good("engine", "PostgreSQL %s, opened in %s", at.Version, took)
	if !at.Syncs {
		d.bad("engine", bridge.Errorf(bridge.Invalid, "the PostgreSQL server runs with fsync off: a power failure may lose what was confirmed, or all of it").
			WithHint("set fsync = on in its postgresql.conf"))
	}
	if at.Ahead.Abs() > time.Minute {
		d.bad("clock", bridge.Errorf(bridge.Invalid, "the database's clock, which decides, is %s ahead of this machine's", showDuration(at.Ahead.Round(time.Second))).
			WithHint("set both by the same time server"))
	}
}

// examine looks at an open bridge.
func (o *opened) examine(ctx context.Context, d *diagnosis) {
	start := time.Now()
	if rep, err := o.svc.Sweep(ctx); err != nil {
		d.bad("sweep", err)
	} else {
		d.good("sweep", "a pass took %s: %d deliveries taken back, %d dead", time.Since(start).Round(time.Millisecond), rep.Reclaimed, rep.Dead)
	}
	o.examineSchema(ctx, d)
	o.examineAudit(ctx, d)
	list, err := o.svc.List(ctx, true)
	if err != nil {
		d.bad("conversations", err)
		return
	}
	var problems int
	var newest time.Time
	for _, c := range list {
		problems += len(c.Problems)
		if c.CreatedAt.After(newest) {
			newest = c.CreatedAt
		}
	}
	d.good("conversations", "%d, with %s; agentbridge list shows them", len(list), some(problems, "problem", "problems"))
	if ahead := time.Until(newest); ahead > time.Minute {
		d.bad("clock", bridge.Errorf(bridge.Invalid, "a conversation was created %s ahead of this machine's clock", showDuration(ahead.Round(time.Second))).
			WithHint("set the clock; times that lie ahead make expiry late"))
	} else {
		d.good("clock", "%s", time.Now().Format(time.RFC3339))
	}
	names, err := localAgents(o.conf.Data)
	if err != nil {
		d.bad("agents", err)
		return
	}
	for _, name := range names {
		c, err := o.bearer(ctx, name)
		switch {
		case errors.Is(err, bridge.Expired):
			d.good("agent "+name, "its token expired; it gets a new one when it is used next")
		case err != nil:
			d.bad("agent "+name, err)
		default:
			d.good("agent "+name, "%s, token %s", c.Agent(), c.Token())
			o.examineListener(ctx, c, d)
		}
	}
}

// modes looks at who can read what holds secrets.
func modes(conf *config, d *diagnosis) {
	store, _ := conf.storePath() // none where the store is a server's: then there is nothing to look at
	for _, at := range []struct{ what, path string }{
		{"data directory", conf.Data},
		{"key file", filepath.Join(conf.Data, keyFile)},
		{"store", store},
		{"agents' tokens", filepath.Join(conf.Data, agentsDir)},
	} {
		info, err := os.Stat(at.path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			d.bad(at.what, bridge.Errorf(bridge.Denied, "%w", err).WithHint("choose a directory of your own with --data DIR"))
		case !owned(info):
			d.bad(at.what, bridge.Errorf(bridge.Denied, "%s belongs to another user", at.path).WithHint("choose a directory of your own with --data DIR"))
		case lax(info):
			d.bad(at.what, bridge.Errorf(bridge.Denied, "%s is open to other users (mode %04o)", at.path, info.Mode().Perm()).WithHint("chmod go= %s", at.path))
		default:
			d.good(at.what, "%s, mode %04o", at.path, info.Mode().Perm())
		}
	}
}
