package cli

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"agentbridge/internal/bridge"
)

func environment(pairs map[string]string) func(string) string {
	return func(name string) string { return pairs[name] }
}

func TestLoadConfig_FlagBeatsEnvironmentBeatsFileBeatsDefault(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, fileName)
	if err := os.WriteFile(file, []byte("listen = '127.0.0.1:1'\nheartbeat = '1s'\ninbox_depth = 7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := loadConfig(map[string]string{"data": dir, "listen": "127.0.0.1:3"},
		environment(map[string]string{"AGENTBRIDGE_LISTEN": "127.0.0.1:2", "AGENTBRIDGE_HEARTBEAT": "2s", "AGENTBRIDGE_DATA": "/nowhere"}))
	if err != nil {
		t.Fatal(err)
	}
	type value struct{ is, from string }
	seen := map[string]value{}
	for _, s := range settings {
		seen[s.name] = value{got.show(s), got.from[s.name]}
	}
	for key, want := range map[string]value{
		"data":        {dir, "--data"},
		"listen":      {"127.0.0.1:3", "--listen"},
		"heartbeat":   {"2s", "AGENTBRIDGE_HEARTBEAT"},
		"inbox_depth": {"7", file},
		"retention":   {"30d", "default"},
		"store":       {"sqlite:" + filepath.Join(dir, "bridge.db"), "default"},
	} {
		if seen[key] != want {
			t.Errorf("%s = %v, want %v", key, seen[key], want)
		}
	}
	if got.Bridge.Heartbeat != 2*time.Second || got.Bridge.InboxDepth != 7 {
		t.Errorf("the bridge's configuration has heartbeat %v and inbox_depth %d", got.Bridge.Heartbeat, got.Bridge.InboxDepth)
	}
}

func TestLoadConfig_DefaultsAreTheBridges(t *testing.T) {
	got, err := loadConfig(nil, environment(map[string]string{"HOME": "/home/ann"}))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(bridge.Defaults(), got.Bridge); diff != "" {
		t.Errorf("without settings (-want +got):\n%s", diff)
	}
	if want := "/home/ann/.local/share/agentbridge"; got.Data != want {
		t.Errorf("data = %q, want %q", got.Data, want)
	}
}

// What show writes, set reads: doctor's values can be put into the file.
func TestSettings_ShowAndSetAgree(t *testing.T) {
	conf, err := loadConfig(map[string]string{"data": t.TempDir()}, environment(nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range settings {
		before := conf.show(s)
		if err := conf.set(s, before, "test"); err != nil {
			t.Errorf("set %s to the shown %q: %v", s.name, before, err)
		}
		if after := conf.show(s); after != before {
			t.Errorf("%s: shown as %q, then as %q", s.name, before, after)
		}
	}
}

func TestLoadConfig_RefusesWithTheWayOut(t *testing.T) {
	for _, tt := range []struct {
		name, file string
		env        map[string]string
		want, hint string
	}{
		{"unknown key", "retenton = '3d'", nil, `unknown key "retenton"`, "did you mean retention?"},
		{"unknown key like no other", "zzz = 1", nil, `unknown key "zzz"`, "the keys are store, listen"},
		{"key in a table", "[limits]\nwrites = 3", nil, "limits", ""},
		{"data in the file", "data = '/elsewhere'", nil, `unknown key "data"`, ""},
		{"not TOML", "heartbeat 3s", nil, "read configuration", "in quotes"},
		{"not a duration", "heartbeat = 'soon'", nil, "heartbeat must be a duration", "leave it out"},
		{"number for a duration", "heartbeat = 15", nil, "heartbeat must be a duration", ""},
		{"negative", "retention = '-1h'", nil, "retention must be a duration", ""},
		{"zero", "max_message = 0", nil, "max_message must be a whole number", ""},
		{"list", "max_message = [1]", nil, "neither text in quotes nor a whole number", ""},
		{"limits", "limits = 'none'", nil, "default, strict or off", ""},
		{"log", "", map[string]string{"AGENTBRIDGE_LOG": "loud"}, "log must be debug", ""},
		{"listen", "", map[string]string{"AGENTBRIDGE_LISTEN": "7483"}, "HOST:PORT", ""},
		{"silence before the next heartbeat", "silent_after = '15s'", nil, "longer than heartbeat", ""},
		{"gone before silent", "gone_after = '20s'", nil, "not be shorter than silent_after", ""},
		{"timers that begin anew with every sweep", "sweep_every = '2m'", nil, "sweep_every must be at most 15s", ""},
		{"token dies between heartbeats", "token_ttl = '30s'", nil, "token_ttl must be at least", ""},
		{"engine", "store = 'mysql:x'", nil, "store must be sqlite:PATH", ""},
		{"no path", "store = 'sqlite:'", nil, "store must be sqlite:PATH", ""},
		{"endless lease", "task_lease = '365d'", nil, "task_lease must not be longer than 24h", ""},
		{"no attempts", "task_attempts = 0", nil, "task_attempts must be a whole number", ""},
		{"neither on nor off", "loop_guard = 'maybe'", nil, "loop_guard must be on or off", ""},
		{"true for on", "loop_guard = true", nil, "loop_guard must be on or off, in quotes", ""},
		{"webhook in clear", "alert_webhook = 'http://example.com/'\nalert_secret = '0123456789abcdef'", nil, "alert_webhook must be https", ""},
		{"webhook of another kind", "alert_webhook = 'ftp://127.0.0.1/'", nil, "alert_webhook must begin with https://", ""},
		{"short secret", "alert_secret = 'hunter2'", nil, "alert_secret must have at least 16 characters", ""},
		{"broken secret", "", map[string]string{"AGENTBRIDGE_ALERT_SECRET": "whsec_not base64 at all"}, "alert_secret is not base64", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, fileName), []byte(tt.file), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := loadConfig(map[string]string{"data": dir}, environment(tt.env))
			e := bridge.AsError(err)
			if !errors.Is(err, bridge.Invalid) || !strings.Contains(e.Message, tt.want) || !strings.Contains(e.Hint, tt.hint) || e.Hint == "" {
				t.Errorf("loadConfig = %v, hint %q; want invalid, %q, hint %q", err, e.Hint, tt.want, tt.hint)
			}
		})
	}
}

func TestLoadConfig_NeverShowsARefusedValue(t *testing.T) {
	secret := "hunter2" + "-in-the-wrong-place"
	for _, s := range settings[1:] {
		if s.name == "alert_secret" || s.name == "alert_command" {
			continue // any text may be one
		}
		_, err := loadConfig(map[string]string{"data": t.TempDir()}, environment(map[string]string{variable(s.name): secret}))
		if err == nil || strings.Contains(err.Error(), secret) || strings.Contains(bridge.AsError(err).Hint, secret) {
			t.Errorf("%s set to a secret: %v", s.name, err)
		}
	}
}

func TestLoadConfig_ShowsNoSecretThatItTook(t *testing.T) {
	hidden := map[string]string{
		"AGENTBRIDGE_ALERT_WEBHOOK": "https://user:" + "hunter2" + "@example.com/hunter2?key=hunter2",
		"AGENTBRIDGE_ALERT_SECRET":  "hunter2" + "-and-some-more",
		"AGENTBRIDGE_ALERT_COMMAND": "curl -u hunter2:hunter2",
	}
	conf, err := loadConfig(map[string]string{"data": t.TempDir()}, environment(hidden))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := conf.sinks(); err != nil || len(got) != 2 {
		t.Errorf("the sinks are %v, %v; want webhook and command", sinkNames(got), err)
	}
	for _, s := range settings {
		shown := conf.show(s)
		if _, ok := hidden[variable(s.name)]; ok && shown != "(set, not shown)" {
			t.Errorf("%s is shown as %q", s.name, shown)
		}
	}
}

func TestDuration_IsWrittenAsItIsRead(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"45s": 45 * time.Second, "10m": 10 * time.Minute, "3h": 3 * time.Hour, "30d": 720 * time.Hour, "24h": 24 * time.Hour,
		"1h30m": 90 * time.Minute, "1h0m1s": time.Hour + time.Second, "250ms": 250 * time.Millisecond,
	} {
		if got, err := parseDuration(s); err != nil || got != want {
			t.Errorf("parseDuration(%q) = %v, %v; want %v", s, got, err, want)
		}
		if got := showDuration(want); got != s {
			t.Errorf("showDuration(%v) = %q, want %q", want, got, s)
		}
	}
	if got, err := parseDuration("1d12h"); err != nil || got != 36*time.Hour {
		t.Errorf("parseDuration(1d12h) = %v, %v", got, err)
	}
	for _, s := range []string{"", "d", "-1d", "1.5d", "999999d", "106751d24h", "3", "soon", "1dd"} {
		if got, err := parseDuration(s); err == nil {
			t.Errorf("parseDuration(%q) = %v, want an error", s, got)
		}
	}
}

func TestNearest_FindsTheMisspeltAndNothingElse(t *testing.T) {
	words := []string{"heartbeat", "retention", "limits", "log"}
	for typed, want := range map[string]string{
		"heartbeet": "heartbeat", "retetnion": "retention", "limit": "limits", "lgo": "log", "logs": "log", "completely_other": "", "": "",
	} {
		if got := nearest(typed, words); got != want {
			t.Errorf("nearest(%q) = %q, want %q", typed, got, want)
		}
	}
}

func TestParsePartner_TakesARankOnlyForARank(t *testing.T) {
	for s, want := range map[string]bridge.Partner{
		"beta":                        {Name: "beta"},
		"beta=tester":                 {Name: "beta", Role: "tester"},
		"beta=tester:observer":        {Name: "beta", Role: "tester", Rank: bridge.Observer},
		"beta=tests: all of it":       {Name: "beta", Role: "tests: all of it"},
		"beta=tests: all:worker":      {Name: "beta", Role: "tests: all", Rank: bridge.Worker},
		"beta=reads this:paper":       {Name: "beta", Role: "reads this:paper"},
		"beta=a=b":                    {Name: "beta", Role: "a=b"},
		"beta=reads http://127.0.0.1": {Name: "beta", Role: "reads http://127.0.0.1"},
	} {
		if got, err := parsePartner(s); err != nil || got != want {
			t.Errorf("parsePartner(%q) = %+v, %v; want %+v", s, got, err, want)
		}
	}
	if _, err := parsePartner("beta=tester:oberver"); !errors.Is(err, bridge.Invalid) {
		t.Errorf("a misspelt rank: %v, want invalid", err)
	}
}
