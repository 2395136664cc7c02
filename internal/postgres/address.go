package postgres

import (
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"agentbridge/internal/bridge"
)

// address is where the rows are and how they are reached.
type address struct {
	config   *pgconn.Config
	schema   string
	setup    string        // what every connection runs first
	patience time.Duration // for one trip
	conns    int           // for views and updates together
	lifetime time.Duration
	idleTime time.Duration
}

// oldest is the oldest server that will do.
const oldest = 14

// plain is what a schema may be called.
var plain = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

// parse reads an address. What pgx says of a bad one is not repeated: it may hold a piece of the password.
func parse(dsn string, lockTimeout time.Duration) (*address, error) {
	bad := func(format string, args ...any) error {
		return bridge.Errorf(bridge.Invalid, "the address of the PostgreSQL store: "+format, args...).
			WithHint("write it as postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full, with %%XX for what is no letter or digit in a password, or keep that in ~/.pgpass")
	}
	if !strings.HasPrefix(dsn, "postgres://") && !strings.HasPrefix(dsn, "postgresql://") {
		return nil, bad("it does not begin with postgres://")
	}
	config, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil, bad("it cannot be understood")
	}
	a := &address{
		config: config, schema: "agentbridge", patience: lockTimeout + 5*time.Second,
		conns: 16, lifetime: time.Hour, idleTime: 5 * time.Minute,
	}
	take := func(key string) (value string, ok bool) {
		value, ok = config.RuntimeParams[key]
		delete(config.RuntimeParams, key)
		return value, ok
	}
	if path, ok := take("search_path"); ok {
		first, _, _ := strings.Cut(path, ",")
		if a.schema = strings.Trim(first, `" `); !plain.MatchString(a.schema) {
			return nil, bad("search_path must begin with the name of a schema in small letters, digits and _")
		}
	}
	if n, ok := take("pool_max_conns"); ok {
		if a.conns, err = strconv.Atoi(n); err != nil || a.conns < 2 {
			return nil, bad("pool_max_conns must be a number, at least 2")
		}
	}
	for key, d := range map[string]*time.Duration{"pool_max_conn_lifetime": &a.lifetime, "pool_max_conn_idle_time": &a.idleTime} {
		if value, ok := take(key); ok {
			if *d, err = time.ParseDuration(value); err != nil || *d <= 0 {
				return nil, bad("%s must be a duration like 30m", key)
			}
		}
	}
	durable := "on"
	if value, ok := take("synchronous_commit"); ok {
		if durable = value; value != "on" && value != "remote_apply" {
			return nil, bad("with synchronous_commit other than on or remote_apply, what was confirmed could be lost")
		}
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "agentbridge"
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 5 * time.Second
	}
	a.setup = settings(a.schema, durable, lockTimeout)
	return a, nil
}

// settings is what every connection runs first. It is no start-up parameter, which poolers in between refuse.
func settings(schema, durable string, lockTimeout time.Duration) string {
	set := []string{
		"search_path = " + schema,
		"synchronous_commit = " + durable,
		"default_transaction_isolation = 'read committed'",
		"client_min_messages = warning",
		"lock_timeout = " + milliseconds(lockTimeout),
		// A hub that was stopped in the midst of an update holds up its scope no longer than that.
		"idle_in_transaction_session_timeout = " + milliseconds(lockTimeout),
		"jit = off", // no statement here is worth compiling
	}
	return "SET " + strings.Join(set, "; SET ")
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(max(1, d.Milliseconds()), 10) }

// Server is what a server said of itself when the store was opened.
type Server struct {
	Version string
	Syncs   bool          // it waits for its disk
	Ahead   time.Duration // by how much its clock is ahead of this machine's
}

// Server tells about the server.
func (s *Store) Server() Server { return s.server }

// warn logs what should not be so.
func (s Server) warn(log *slog.Logger) {
	if !s.Syncs {
		log.Warn("the PostgreSQL server runs with fsync off: a power failure may lose what was confirmed, or all of it")
	}
	if s.Ahead.Abs() > time.Minute {
		log.Warn("the database's clock, which decides, is not this machine's", "ahead", s.Ahead)
	}
}

// inspect refuses a server that will not do.
func (a *address) inspect(c *conn) (s Server, err error) {
	s.Version = c.raw.ParameterStatus("server_version")
	if tooOld(s.Version) {
		return s, bridge.Errorf(bridge.Invalid, "the server is PostgreSQL %s, and %d is the oldest that will do", s.Version, oldest).
			WithHint("upgrade the server, or name another one")
	}
	var standby bool
	if _, err := c.trip(
		&call{sql: `SELECT pg_is_in_recovery()::int::bigint, (current_setting('fsync') = 'on')::int::bigint`, each: func(r *row) {
			standby, s.Syncs = r.bool(), r.bool()
		}},
		&call{sql: clock, each: func(r *row) { s.Ahead = time.Until(r.time()) }},
	); err != nil {
		return s, err
	}
	if standby {
		return s, readOnly("open the database", nil)
	}
	if encoding := c.raw.ParameterStatus("server_encoding"); encoding != "" && encoding != "UTF8" {
		return s, bridge.Errorf(bridge.Invalid, "the database is encoded as %s, and only UTF8 can hold every message", encoding).
			WithHint("make one with createdb --encoding=UTF8 --template=template0")
	}
	return s, nil
}

// empty says that there are no tables, where there should be.
func (a *address) empty() error {
	return bridge.Errorf(bridge.NotFound, "there is no store at %s, database %s, schema %s", a.config.Host, a.config.Database, a.schema).
		WithHint("agents and hubs make it when they start; search_path=NAME in --store names another schema")
}

// tooOld reports whether a server says that it is older than will do.
func tooOld(version string) bool {
	major := strings.IndexFunc(version, func(r rune) bool { return r < '0' || r > '9' })
	if major < 0 {
		major = len(version)
	}
	n, err := strconv.Atoi(version[:major])
	return err == nil && n < oldest
}

// channel is where the processes of a schema notify each other: channels are the whole database's.
func (a *address) channel() string {
	return "agentbridge_" + strconv.FormatUint(uint64(lockOf(a.schema)), 36)
}
