package cli

import (
	"log/slog"
	"maps"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/daemon"
)

// setting is one key: its place in config, and whether the file may hold it.
type setting struct {
	name   string
	ref    func(*config) any // *string, *secret, *int, *bool, *time.Duration, *bridge.Limits or *slog.Level
	inFile bool
}

// settings are all keys, in the order in which doctor shows them.
var settings = []setting{
	{"data", func(c *config) any { return &c.Data }, false},
	{"store", func(c *config) any { return &c.Store }, true},
	{"listen", func(c *config) any { return &c.Listen }, true},
	{"url", func(c *config) any { return &c.URL }, true},
	{"tls_cert", func(c *config) any { return &c.TLSCert }, true},
	{"tls_key", func(c *config) any { return &c.TLSKey }, true},
	{"behind_proxy", func(c *config) any { return &c.BehindProxy }, true},
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
	{"task_lease", func(c *config) any { return &c.Bridge.TaskLease }, true},
	{"task_attempts", func(c *config) any { return &c.Bridge.TaskAttempts }, true},
	{"limits", func(c *config) any { return &c.Bridge.Limits }, true},
	{"loop_guard", func(c *config) any { return &c.Bridge.LoopGuard }, true},
	{"max_message", func(c *config) any { return &c.Bridge.MaxMessage }, true},
	{"max_members", func(c *config) any { return &c.Bridge.MaxMembers }, true},
	{"inbox_depth", func(c *config) any { return &c.Bridge.InboxDepth }, true},
	{"alert_webhook", func(c *config) any { return &c.AlertWebhook }, true},
	{"alert_secret", func(c *config) any { return &c.AlertSecret }, true},
	{"alert_command", func(c *config) any { return &c.AlertCommand }, true},
	{"command_timeout", func(c *config) any { return &c.CommandTimeout }, true},
	{"sandbox_image", func(c *config) any { return &c.SandboxImage }, true},
	{"log", func(c *config) any { return &c.Log }, true},
	{"log_format", func(c *config) any { return &c.LogFormat }, true},
}

// The values of log_format.
const (
	logText = "text"
	logJSON = "json"
)

// secret is a value that is never shown.
type secret string

func variable(key string) string { return "AGENTBRIDGE_" + strings.ToUpper(key) }

func unknownKey(path, key string) error {
	names := make([]string, 0, len(settings)+1)
	for _, s := range settings {
		if s.inFile {
			names = append(names, s.name)
		}
	}
	names = append(names, "redact", "policy")
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
	case *secret:
		*ref = secret(value)
	case *int:
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			return c.refuse(s.name, source, "must be a whole number above 0")
		}
		*ref = n
	case *bool:
		if value != "on" && value != "off" {
			return c.refuse(s.name, source, "must be on or off, in quotes")
		}
		*ref = value == "on"
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

// show gives a value in the form in which it is written, unless it is secret.
func (c *config) show(s setting) string {
	switch ref := s.ref(c).(type) {
	case *string:
		if ref == &c.Store && c.onPostgres() {
			return c.storeName()
		}
		return *ref
	case *secret:
		if *ref != "" {
			return "(set, not shown)"
		}
		return ""
	case *bool:
		if *ref {
			return "on"
		}
		return "off"
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

// imageName is how engines name an image, with a tag or a digest; see github.com/distribution/reference.
var imageName = regexp.MustCompile(`^[a-z0-9][a-z0-9._/:-]*(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}|@sha256:[0-9a-f]{64})$`)

// check looks at values that must fit together.
func (c *config) check() error {
	if _, err := c.storePath(); err != nil {
		return err
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return c.refuse("listen", c.from["listen"], "must be HOST:PORT")
	}
	if c.LogFormat != logText && c.LogFormat != logJSON {
		return c.refuse("log_format", c.from["log_format"], "must be text or json")
	}
	if err := c.checkHub(); err != nil {
		return err
	}
	b := c.Bridge
	switch {
	case b.SilentAfter <= b.Heartbeat:
		return c.refuse("silent_after", c.from["silent_after"], "must be longer than heartbeat, "+showDuration(b.Heartbeat))
	case b.GoneAfter < b.SilentAfter:
		return c.refuse("gone_after", c.from["gone_after"], "must not be shorter than silent_after, "+showDuration(b.SilentAfter))
	case c.SandboxImage != "" && !imageName.MatchString(c.SandboxImage):
		return c.refuse("sandbox_image", c.from["sandbox_image"], "must be NAME:TAG or NAME@sha256:DIGEST")
	case c.CommandTimeout < time.Second || c.CommandTimeout > maxCommandTimeout:
		return c.refuse("command_timeout", c.from["command_timeout"], "must be from 1s to "+showDuration(maxCommandTimeout))
	case c.SweepEvery > 15*time.Second:
		return c.refuse("sweep_every", c.from["sweep_every"], "must be at most 15s: after longer pauses it counts as if nobody had watched, and timers begin anew")
	case b.TokenTTL < 3*b.Heartbeat:
		return c.refuse("token_ttl", c.from["token_ttl"], "must be at least three heartbeats, "+showDuration(3*b.Heartbeat)+", or tokens die before they are renewed")
	case b.TaskLease > maxTaskLease:
		return c.refuse("task_lease", c.from["task_lease"], "must not be longer than "+showDuration(maxTaskLease))
	}
	return c.checkAlerts()
}

// maxTaskLease is also the longest that a task can ask for.
const maxTaskLease = 24 * time.Hour

func (c *config) checkAlerts() error {
	if c.AlertSecret != "" {
		if _, err := daemon.ParseSecret(string(c.AlertSecret)); err != nil {
			return c.refuse("alert_secret", c.from["alert_secret"], err.Error())
		}
	}
	if c.AlertWebhook != "" {
		if _, err := daemon.ParseWebhook(string(c.AlertWebhook)); err != nil {
			return c.refuse("alert_webhook", c.from["alert_webhook"], err.Error())
		}
	}
	return nil
}

// secretFile reports whether a secret comes from the file.
func (c *config) secretFile() bool {
	return slices.ContainsFunc(settings, func(s setting) bool {
		value, ok := s.ref(c).(*secret)
		return ok && *value != "" && c.from[s.name] == c.file
	})
}

// storePath is the path of the SQLite file; empty where there is none, because the store is a PostgreSQL database.
func (c *config) storePath() (string, error) {
	engine, path, _ := strings.Cut(c.Store, ":")
	switch {
	case engine == "sqlite" && path != "":
		return path, nil
	case engine == "postgres", engine == "postgresql":
		return "", nil // see onPostgres
	}
	return "", c.refuse("store", c.from["store"], "must be sqlite:PATH or postgres://…")
}

// strayVariables lists variables that look like settings and are none, sorted: most likely misspelt.
func strayVariables(environ []string) []string {
	known := map[string]bool{"AGENTBRIDGE_CONFIG": true, tokenVariable: true, keysVariable: true, unreadVariable: true, fromVariable: true}
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
