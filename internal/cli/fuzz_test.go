package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// FuzzReadFile reads anything as agentbridge.toml. A value that is refused is not shown: it may be a secret in the wrong place.
func FuzzReadFile(f *testing.F) {
	for _, seed := range []string{
		"", "heartbeat = '1s'", "limits = 'SECRET'", "alert_webhook = 'SECRET'", "alert_secret = \"SECRET", "inbox_depth = 7", "listen = 'SECRET'", "store = 'postgres://app:SECRET@db/x'", "log = 'SECRET'",
		"[table]\nx = 'SECRET'", "token_ttl = 9223372036854775807", "retention = '99999999999999999d'", "loop_guard = true", "data = 'x'", "heartbeat = ['SECRET']",
	} {
		f.Add(seed)
	}
	path := filepath.Join(f.TempDir(), fileName)
	secret := "ghp_" + strings.Repeat("a1B2c3D4e", 4)
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "SECRET", secret)), 0o600); err != nil {
			t.Fatal(err)
		}
		conf, err := loadConfig(map[string]string{"data": filepath.Dir(path)}, environment(nil))
		if err != nil {
			if strings.Contains(masked(err.Error()), secret[4:12]) {
				t.Errorf("%q is refused with %q", text, err)
			}
			return
		}
		if b := conf.Bridge; b.Heartbeat <= 0 || b.SilentAfter <= b.Heartbeat || conf.SweepEvery <= 0 || b.InboxDepth < 1 {
			t.Errorf("%q is in force as %+v", text, b)
		}
	})
}

// FuzzParseDuration holds the reading of durations to their writing.
func FuzzParseDuration(f *testing.F) {
	for _, seed := range []string{"45s", "3h", "30d", "1d12h", "-1s", "65535d24h", "106751d23h47m", "106751d24h", "1d-48h", "d", "1.5h", "99999999999h"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := parseDuration(text)
		if err != nil {
			return
		}
		if again, err := parseDuration(showDuration(d)); err != nil || again != d {
			t.Errorf("%q is %s, shown as %q, and that is %s, %v", text, d, showDuration(d), again, err)
		}
	})
}

// FuzzParseMoment reads anything as a moment. A refusal names the flag alone.
func FuzzParseMoment(f *testing.F) {
	for _, seed := range []string{"", "90m", "7d", "2026-11-22", "2026-11-22T10:00:00Z", "2026-11-22 10:00", "0000-00-00", "-5h"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, err := parseMoment("--since", text)
		if err != nil && len(text) > 8 && strings.Contains(err.Error(), text) {
			t.Errorf("%q is refused with %q", text, err)
		}
		if err == nil && text == "" != at.Equal(time.Time{}) {
			if text == "" {
				t.Errorf("nothing is %s", at)
			}
		}
	})
}

// FuzzParsePartner reads anything as NAME=ROLE[:RANK] and loses nothing of it.
func FuzzParsePartner(f *testing.F) {
	for _, seed := range []string{"beta=tester", "beta=tests: the parser:worker", "beta", "=", "beta=a:peer", "beta=::orchestrator"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePartner(text)
		if err != nil {
			return
		}
		whole := p.Name + "=" + p.Role
		if p.Rank != "" {
			whole += ":" + string(p.Rank)
		}
		if whole != text && whole != text+"=" {
			t.Errorf("%q is %+v", text, p)
		}
	})
}
