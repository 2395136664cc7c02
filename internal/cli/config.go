package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"agentbridge/internal/bridge"
	"agentbridge/internal/sandbox"
)

// config is what is in force. Each value remembers where it comes from: flag > environment > file > default.
type config struct {
	Data       string // directory of the key, the local agents' tokens and, unless said otherwise, the store
	Store      string // sqlite:PATH or postgres://…, which may hold a password
	SweepEvery time.Duration
	Log        slog.Level
	LogFormat  string // [logText] or [logJSON]
	hubSettings
	Bridge bridge.Config
	Redact redaction
	Policy policing

	AlertWebhook secret // an address may hold a key
	AlertSecret  secret
	AlertCommand secret // so may a command line

	CommandTimeout time.Duration // of a command that an agent asked for
	SandboxImage   string        // of the container where Docker or Podman runs commands; empty: neither does

	from map[string]string // by key: "default", "--data", "AGENTBRIDGE_DATA", or the file's path
	file string            // the file that was read; empty: none
}

// fileName is the configuration file's name in the data directory.
const fileName = "agentbridge.toml"

// loadConfig puts together what is in force. Flags are those that were given, by key, and "config" beside them.
func loadConfig(flags map[string]string, getenv func(string) string) (*config, error) {
	c := &config{hubSettings: hubSettings{Listen: "127.0.0.1:7483"}, LogFormat: logText, SweepEvery: 5 * time.Second, CommandTimeout: sandbox.Defaults.Time, Log: slog.LevelWarn, Bridge: bridge.Defaults(), from: map[string]string{}}
	given := func(key string) (value, source string) {
		if v, ok := flags[key]; ok {
			return v, "--" + strings.ReplaceAll(key, "_", "-")
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

func defaultData(getenv func(string) string) (string, error) {
	// The XDG specification: a relative path is to be ignored.
	if base := getenv("XDG_DATA_HOME"); filepath.IsAbs(base) {
		return filepath.Join(base, "agentbridge"), nil
	}
	if home := getenv("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "share", "agentbridge"), nil
	}
	if local := getenv("LOCALAPPDATA"); filepath.IsAbs(local) { // Windows
		return filepath.Join(local, "agentbridge"), nil
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
		if key[0] == "redact" || key[0] == "policy" {
			continue
		}
		i := slices.IndexFunc(settings, func(s setting) bool { return s.inFile && s.name == key.String() })
		if i < 0 {
			return unknownKey(path, key.String())
		}
		switch v := values[key.String()].(type) {
		case string:
			err = c.set(settings[i], v, path)
		case int64:
			err = c.set(settings[i], strconv.FormatInt(v, 10), path)
		case bool:
			err = c.set(settings[i], strconv.FormatBool(v), path) // on and off are words, so it says which ones
		default:
			err = c.refuse(settings[i].name, path, "is neither text in quotes nor a whole number")
		}
		if err != nil {
			return err
		}
	}
	if _, ok := values["redact"]; ok {
		if err := c.readRedaction(path, string(text)); err != nil {
			return err
		}
	}
	if _, ok := values["policy"]; ok {
		return c.readPolicy(path, string(text))
	}
	return nil
}
