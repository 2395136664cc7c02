package postgres

import (
	"errors"
	"strings"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

func TestParse_RefusesWithoutRepeatingThePassword(t *testing.T) {
	for _, dsn := range []string{
		"postgres://u:hun/ter2@host/db",
		"postgres://u:hunter2@host:port/db",
		"postgres://u:hunter2@host/db?sslmode=hunter2",
		"postgres://u:hunter2@host/db?search_path=hun-ter2",
		"postgres://u:hunter2@host/db?search_path=Upper",
		"postgres://u:hunter2@host/db?pool_max_conns=1",
		"postgres://u:hunter2@host/db?pool_max_conn_lifetime=soon",
		"postgres://u:hunter2@host/db?synchronous_commit=off",
		"postgres://u:hunter2@host/db?synchronous_commit=local",
		"mysql://u:hunter2@host/db",
		"host=host password=hunter2",
	} {
		_, err := parse(dsn, time.Second)
		if !errors.Is(err, bridge.Invalid) {
			t.Errorf("parse(%s) = %v, want invalid", dsn, err)
			continue
		}
		text := err.(*bridge.Error).Text()
		if strings.Contains(text, "hun") || strings.Contains(text, "ter2") || !strings.Contains(text, "hint: ") {
			t.Errorf("parse(%s) says %q, with the password or without a hint", dsn, text)
		}
	}
}

func TestParse_TakesItsOwnParametersAndLeavesTheRest(t *testing.T) {
	a, err := parse("postgres://u:p@one,two:6543/db?search_path=team_a,public&pool_max_conns=40&pool_max_conn_lifetime=30m&pool_max_conn_idle_time=90s&"+
		"synchronous_commit=remote_apply&target_session_attrs=read-write&sslmode=disable&statement_timeout=5000&application_name=hub1", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if a.schema != "team_a" || a.conns != 40 || a.lifetime != 30*time.Minute || a.idleTime != 90*time.Second {
		t.Errorf("parse took %q, %d, %v, %v", a.schema, a.conns, a.lifetime, a.idleTime)
	}
	for _, want := range []string{"SET search_path = team_a;", "SET synchronous_commit = remote_apply;", "SET lock_timeout = 1000;"} {
		if !strings.Contains(a.setup, want) {
			t.Errorf("every connection runs %q, which has no %s", a.setup, want)
		}
	}
	if got := a.config.RuntimeParams; len(got) != 2 || got["statement_timeout"] != "5000" || got["application_name"] != "hub1" {
		t.Errorf("the server is given %v, want statement_timeout and application_name", got)
	}
	if len(a.config.Fallbacks) != 1 || a.config.Fallbacks[0].Host != "two" || a.config.ValidateConnect == nil {
		t.Error("the other host, or that it must be the one that writes, went missing")
	}
}

func TestTooOld_ReadsWhatServersSay(t *testing.T) {
	for version, want := range map[string]bool{
		"9.6.24": true, "13.21": true, "13.21 (Debian 13.21-1)": true, "14.0": false, "15.18 (Debian 15.18-0+deb12u1)": false, "18beta1": false,
		"": false, "somewhat compatible": false, // who knows
	} {
		if got := tooOld(version); got != want {
			t.Errorf("tooOld(%q) = %t", version, got)
		}
	}
}

func TestPayload_ArrivesAsItWasSent(t *testing.T) {
	few := map[topic]bool{0: true, 1 << 63: true, hash("inbox/agent_1"): true}
	from, topics, all := read(payload("proc_1", few))
	if from != "proc_1" || all || len(topics) != len(few) {
		t.Errorf("read = %s, %v, %t", from, topics, all)
	}
	for _, topic := range topics {
		if !few[topic] {
			t.Errorf("topic %v was not sent", topic)
		}
	}

	many := map[topic]bool{}
	for n := range topic(10_000) {
		many[n<<40] = true
	}
	text := payload("proc_1", many)
	if from, _, all := read(text); len(text) > letter || from != "proc_1" || !all {
		t.Errorf("ten thousand topics are told as %d bytes from %s, to all: %t", len(text), from, all)
	}
}
