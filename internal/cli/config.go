package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"agentbridge/internal/bridge"
)

// config is what is in force. Each value remembers where it comes from: flag > environment > file > default.
type config struct {
	Data       string // directory of the key, the local agents' tokens and, unless said otherwise, the store
	Store      string // sqlite:PATH
	Listen     string
	SweepEvery time.Duration
	Log        slog.Level
	Bridge     bridge.Config

	from map[string]string // by key: "default", "--data", "AGENTBRIDGE_DATA", or the file's path
	file string            // the file that was read; empty: none
}

// setting is one key: its place in config, and whether the file may hold it.
type setting struct {
	name   string
	ref    func(*config) any // *string, *int, *time.Duration, *bridge.Limits or *slog.Level
	inFile bool
}

// settings are all keys, in the order in which doctor shows them.
var settings = []setting{
	{"data", func(c *config) any { return &c.Data }, false},
	{"store", func(c *config) any { return &c.Store }, true},
	{"listen", func(c *config) any { return &c.Listen }, true},
	{"conversation_ttl", func(c *config) any { return &c.Bridge.ConversationTTL }, true},
	{"token_ttl", func(c *config) any { return &c.Bridge.TokenTTL }, true},
	{"invite_ttl", func(c *config) any { return &c.Bridge.InviteTTL }, true},
	{"retention", func(c *config) any { return &c.Bridge.Retention }, true},
	{"heartbeat", func(c *config) any { return &c.Bridge.Heartbeat }, true},
	{"silent_after", func(c *config) any { return &c.Bridge.SilentAfter }, true},
	{"gone_after", func(c *config) any { return &c.Bridge.GoneAfter }, true},
	{"idle_after", func(c *config) any { return &c.Bridge.IdleAfter }, true},
	{"sweep_every", func(c *config) any { return &c.SweepEvery }, true},
	{"delivery_lease", func(c *config) any { return &c.Bridge.DeliveryLease }, true},
	{"delivery_attempts", func(c *config) any { return &c.Bridge.DeliveryAttempts }, true},
	{"limits", func(c *config) any { return &c.Bridge.Limits }, true},
	{"max_message", func(c *config) any { return &c.Bridge.MaxMessage }, true},
	{"max_members", func(c *config) any { return &c.Bridge.MaxMembers }, true},
	{"inbox_depth", func(c *config) any { return &c.Bridge.InboxDepth }, true},
	{"log", func(c *config) any { return &c.Log }, true},
}

// fileName is the configuration file's name in the data directory.
const fileName = "agentbridge.toml"

// loadConfig puts together what is in force. Flags are those that were given, by key, and "config" beside them.
func loadConfig(flags map[string]string, getenv func(string) string) (*config, error) {
	c := &config{Listen: "127.0.0.1:7483", SweepEvery: 5 * time.Second, Log: slog.LevelWarn, Bridge: bridge.Defaults(), from: map[string]string{}}
	given := func(key string) (value, source string) {
		if v, ok := flags[key]; ok {
			return v, "--" + key
		}
		if v := getenv(variable(key)); v != "" {
			return v, variable(key)
		}
		return "", ""
	}

	var source string
	if c.Data, source = given("data"); source == "" {
		dir, err := defaultData(getenv)
		if err != nil {
			return nil, err
		}
		c.Data, source = dir, "default"
	}
	var err error
	if c.Data, err = filepath.Abs(c.Data); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	c.Store, c.from["data"] = "sqlite:"+filepath.Join(c.Data, "bridge.db"), source

	file, source := given("config")
	if err := c.readFile(file, source != ""); err != nil {
		return nil, err
	}
	for _, s := range settings[1:] {
		if value, source := given(s.name); source != "" {
			if err := c.set(s, value, source); err != nil {
				return nil, err
			}
		}
		if c.from[s.name] == "" {
			c.from[s.name] = "default"
		}
	}
	return c, c.check()
}

func variable(key string) string { return "AGENTBRIDGE_" + strings.ToUpper(key) }

func defaultData(getenv func(string) string) (string, error) {
	// The XDG specification: a relative path is to be ignored.
	if base := getenv("XDG_DATA_HOME"); filepath.IsAbs(base) {
		return filepath.Join(base, "agentbridge"), nil
	}
	if home := getenv("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "share", "agentbridge"), nil
	}
	return "", bridge.Errorf(bridge.Invalid, "there is no home directory to keep data in").WithHint("name a directory with --data DIR or AGENTBRIDGE_DATA")
}

// readFile takes the values of a file. One that nobody asked for may be missing.
func (c *config) readFile(path string, asked bool) error {
	if !asked {
		path = filepath.Join(c.Data, fileName)
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !asked {
		return nil
	}
	if err != nil {
		return bridge.Errorf(bridge.Invalid, "read configuration: %w", err).WithHint("check the path given with --config or AGENTBRIDGE_CONFIG")
	}
	c.file = path
	values := map[string]any{}
	meta, err := toml.Decode(string(text), &values)
	if err != nil {
		return bridge.Errorf(bridge.Invalid, "read configuration %s: %w", path, err).WithHint("one `key = value` a line, durations and words in quotes: heartbeat = \"15s\"")
	}
	for _, key := range meta.Keys() {
		i := slices.IndexFunc(settings, func(s setting) bool { return s.inFile && s.name == key.String() })
		if i < 0 {
			return unknownKey(path, key.String())
		}
		switch v := values[key.String()].(type) {
		case string:
			err = c.set(settings[i], v, path)
		case int64:
			err = c.set(settings[i], strconv.FormatInt(v, 10), path)
		default:
			err = c.refuse(settings[i].name, path, "is neither text in quotes nor a whole number")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func unknownKey(path, key string) error {
	names := make([]string, 0, len(settings))
	for _, s := range settings {
		if s.inFile {
			names = append(names, s.name)
		}
	}
	err := bridge.Errorf(bridge.Invalid, "configuration %s: unknown key %q", path, key)
	if near := nearest(key, names); near != "" {
		return err.WithHint("did you mean %s?", near)
	}
	return err.WithHint("the keys are %s", strings.Join(names, ", "))
}

// set takes one value in its written form.
func (c *config) set(s setting, value, source string) error {
	c.from[s.name] = source
	switch ref := s.ref(c).(type) {
	case *string:
		*ref = value
	case *int:
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			return c.refuse(s.name, source, "must be a whole number above 0")
		}
		*ref = n
	case *time.Duration:
		d, err := parseDuration(value)
		if err != nil || d <= 0 {
			return c.refuse(s.name, source, "must be a duration such as 45s, 10m, 3h or 30d")
		}
		*ref = d
	case *bridge.Limits:
		limits, ok := map[string]bridge.Limits{"default": bridge.DefaultLimits, "strict": bridge.StrictLimits, "off": bridge.NoLimits}[value]
		if !ok {
			return c.refuse(s.name, source, "must be default, strict or off")
		}
		*ref = limits
	case *slog.Level:
		if ref.UnmarshalText([]byte(value)) != nil {
			return c.refuse(s.name, source, "must be debug, info, warn or error")
		}
	}
	return nil
}

// show gives a value in the form in which it is written.
func (c *config) show(s setting) string {
	switch ref := s.ref(c).(type) {
	case *string:
		return *ref
	case *time.Duration:
		return showDuration(*ref)
	case *bridge.Limits:
		return ref.Name
	case *slog.Level:
		return strings.ToLower(ref.String())
	case *int:
		return strconv.Itoa(*ref)
	}
	panic("setting of an unknown type: " + s.name)
}

// refuse does not show the value: it may be a secret in the wrong place.
func (c *config) refuse(key, source, problem string) error {
	return bridge.Errorf(bridge.Invalid, "%s %s (set by %s)", key, problem, source).WithHint("correct it, or leave it out for the default; `agentbridge doctor` shows what is in force")
}

// check looks at values that must fit together.
func (c *config) check() error {
	if _, err := c.storePath(); err != nil {
		return err
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return c.refuse("listen", c.from["listen"], "must be HOST:PORT")
	}
	b := c.Bridge
	switch {
	case b.SilentAfter <= b.Heartbeat:
		return c.refuse("silent_after", c.from["silent_after"], "must be longer than heartbeat, "+showDuration(b.Heartbeat))
	case b.GoneAfter < b.SilentAfter:
		return c.refuse("gone_after", c.from["gone_after"], "must not be shorter than silent_after, "+showDuration(b.SilentAfter))
	case b.TokenTTL < 3*b.Heartbeat:
		return c.refuse("token_ttl", c.from["token_ttl"], "must be at least three heartbeats, "+showDuration(3*b.Heartbeat)+", or tokens die before they are renewed")
	}
	return nil
}

// storePath is the path of the SQLite file.
func (c *config) storePath() (string, error) {
	engine, path, _ := strings.Cut(c.Store, ":")
	switch {
	case engine == "sqlite" && path != "":
		return path, nil
	case engine == "postgres", engine == "postgresql":
		// Not shown: the URL may hold a password.
		return "", bridge.Errorf(bridge.Invalid, "store: this build has no PostgreSQL engine yet").WithHint("use --store sqlite:PATH, or leave it out")
	}
	return "", c.refuse("store", c.from["store"], "must be sqlite:PATH")
}

// strayVariables lists variables that look like settings and are none, sorted: most likely misspelt.
func strayVariables(environ []string) []string {
	known := map[string]bool{"AGENTBRIDGE_CONFIG": true, tokenVariable: true}
	for _, s := range settings {
		known[variable(s.name)] = true
	}
	stray := map[string]bool{}
	for _, e := range environ {
		if name, _, _ := strings.Cut(e, "="); strings.HasPrefix(name, "AGENTBRIDGE_") && !known[name] {
			stray[name] = true
		}
	}
	return slices.Sorted(maps.Keys(stray))
}
