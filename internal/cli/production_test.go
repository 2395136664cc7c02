package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"agentbridge/internal/workload"
)

// table gives the rows of a table in a document whose first column is a name in backquotes, between two headings: the other columns by name.
func table(t *testing.T, document, from, to string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "doc", document))
	if err != nil {
		t.Fatal(err)
	}
	_, part, found := strings.Cut(string(text), "\n"+from+"\n")
	part, _, ends := strings.Cut(part, "\n"+to+"\n")
	if !found || !ends {
		t.Fatalf("%s has no part from %q to %q", document, from, to)
	}
	rows := map[string][]string{}
	for line := range strings.Lines(part) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		name := strings.Trim(strings.TrimSpace(cells[0]), "`")
		if len(cells) < 2 || !strings.Contains(cells[0], "`") {
			continue
		}
		if _, twice := rows[name]; twice {
			t.Errorf("%s tells %s twice", document, name)
		}
		for _, cell := range cells[1:] {
			rows[name] = append(rows[name], strings.Trim(strings.TrimSpace(cell), "`"))
		}
	}
	return rows
}

// The table of settings is the program's: every key, with the default that is in force where nobody says otherwise.
func TestProduction_TellsEverySettingAndItsDefault(t *testing.T) {
	conf, err := loadConfig(nil, environment(map[string]string{"HOME": t.TempDir()}))
	if err != nil {
		t.Fatal(err)
	}
	told := table(t, "production.md", "## Settings", "## Sizing")
	for _, s := range settings {
		want := conf.show(s)
		switch {
		case s.name == "data" || s.name == "store":
			want = told[s.name][0] // a path of this machine; the words are the document's
		case want == "":
			want = "–"
		}
		if len(told[s.name]) < 2 || told[s.name][0] != want || told[s.name][1] == "" {
			t.Errorf("doc/production.md tells %s as %q, the default is %q", s.name, told[s.name], want)
		}
		delete(told, s.name)
	}
	for name := range told {
		t.Errorf("doc/production.md tells of a setting %s, and there is none", name)
	}
}

// exposed are the samples at /metrics of a real hub with an agent: the labels of each, by name.
func exposed(t *testing.T) (samples map[string][]map[string]string, families []string) {
	t.Helper()
	p := workload.Program{Path: "agentbridge", Data: t.TempDir(), Stderr: t.Output()}
	hub, err := p.Serve(t.Context(), workload.Anywhere)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(hub.Kill)
	if out, err := p.Command("create", "--as", "alpha", "--role", "lead", "--partner", "beta=tester").Output(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	samples = map[string][]map[string]string{}
	var text string
	// When it was swept is there from the first sweep on.
	for !strings.Contains(text, "\nagentbridge_last_sweep_timestamp_seconds ") {
		if _, text = page(t, "GET", hub.URL("/metrics"), ""); t.Context().Err() != nil {
			t.Fatal(t.Context().Err())
		}
	}
	for line := range strings.Lines(text) {
		if help, ok := strings.CutPrefix(line, "# HELP "); ok {
			name, _, _ := strings.Cut(help, " ")
			families = append(families, name)
		}
		if found := selector.FindStringSubmatch(line); found != nil && line[0] != '#' {
			labels := map[string]string{}
			for _, m := range matcher.FindAllStringSubmatch(found[2], -1) {
				labels[m[1]] = m[3]
			}
			samples[found[1]] = append(samples[found[1]], labels)
		}
	}
	return samples, families
}

// The table of metrics is what /metrics has, and alert rules and the dashboard ask for nothing else.
func TestProduction_TellsEveryMetricAndAsksForNoOther(t *testing.T) {
	samples, families := exposed(t)
	told := table(t, "production.md", "### Metrics", "### Alert rules")
	ours := 0
	for _, name := range families {
		if !strings.HasPrefix(name, "agentbridge_") {
			continue
		}
		ours++
		want := "–"
		if of := samples[name]; len(of) > 0 && len(of[0]) > 0 {
			want = strings.Join(slices.Sorted(maps.Keys(of[0])), " ")
		}
		if len(told[name]) < 2 || told[name][0] != want {
			t.Errorf("doc/production.md tells %s as %q, its labels are %q", name, told[name], want)
		}
	}
	if ours < 15 {
		t.Fatalf("/metrics has %d metrics of ours", ours)
	}
	// Counted when a sink is first given an alert, and not before.
	late := map[string]string{"agentbridge_alert_sendings_total": "result sink"}
	for name, row := range told {
		if !slices.Contains(families, name) && (late[name] == "" || row[0] != late[name]) {
			t.Errorf("doc/production.md tells of %s, which is not at /metrics", name)
		}
	}

	queries := queriesOf(t)
	for where, query := range queries {
		for _, problem := range unknown(query, samples, late) {
			t.Errorf("%s: %s: %s", where, query, problem)
		}
	}
	for _, wrong := range []string{"agentbridge_down == 1", `agentbridge_tasks{state="opened"}`, `agentbridge_tasks{status="open"}`, `agentbridge_alert_sendings_total{kind="x"}`, "rate(agentbridge_up_bucket[5m])"} {
		if len(unknown(wrong, samples, late)) == 0 {
			t.Errorf("%s would not be found out", wrong)
		}
	}
}

// queriesOf are the queries of the alert rules and of the dashboard, by where they are.
func queriesOf(t *testing.T) map[string]string {
	t.Helper()
	queries := map[string]string{}
	rules, err := os.ReadFile(filepath.Join("..", "..", "contrib", "prometheus", "alerts.yml"))
	if err != nil {
		t.Fatal(err)
	}
	alert := ""
	for line := range strings.Lines(string(rules)) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "- alert: "); ok {
			alert = name
		}
		if query, ok := strings.CutPrefix(line, "expr: "); ok {
			queries[alert] = query
		}
	}
	told := table(t, "production.md", "### Alert rules", "### Dashboard")
	for name := range queries {
		if told[name] == nil {
			t.Errorf("doc/production.md does not say what to do about the alert %s", name)
		}
	}
	for name := range told {
		if queries[name] == "" {
			t.Errorf("doc/production.md tells of an alert %s, and there is no such rule", name)
		}
	}

	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "contrib", "grafana", "agentbridge.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	for _, panel := range board.Panels {
		for i, target := range panel.Targets {
			queries[fmt.Sprintf("panel %s, %d", panel.Title, i)] = target.Expr
		}
	}
	if len(board.Panels) < 10 || len(told) < 10 {
		t.Errorf("%d panels and %d alerts", len(board.Panels), len(told))
	}
	return queries
}

var (
	selector = regexp.MustCompile(`\b((?:agentbridge|process|go)_\w+)(?:\{([^}]*)\})?`)
	matcher  = regexp.MustCompile(`(\w+)(=~|=)"([^"]*)"`)
)

// unknown tells what a query asks for that is not there: a metric, a label, or a value that no sample has. The job is Prometheus' own.
func unknown(query string, samples map[string][]map[string]string, late map[string]string) (problems []string) {
	asked := selector.FindAllStringSubmatch(query, -1)
	if len(asked) == 0 && !strings.HasPrefix(query, "up{") {
		problems = append(problems, "asks for nothing of ours")
	}
	for _, one := range asked {
		name := one[1]
		if samples[name] == nil && late[name] == "" {
			problems = append(problems, "there is no "+name)
		}
		for _, m := range matcher.FindAllStringSubmatch(one[2], -1) {
			label, values := m[1], strings.Split(m[3], "|")
			switch {
			case label == "job":
			case samples[name] == nil && slices.Contains(strings.Fields(late[name]), label):
			default:
				for _, value := range values {
					if !slices.ContainsFunc(samples[name], func(labels map[string]string) bool { return labels[label] == value }) {
						problems = append(problems, fmt.Sprintf("%s has no %s=%q", name, label, value))
					}
				}
			}
		}
	}
	return problems
}
