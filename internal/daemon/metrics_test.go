package daemon

import (
	"errors"
	"maps"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"agentbridge/internal/bridge"
)

// scrape asks as Prometheus does, and gives our own numbers by name and labels.
func scrape(t *testing.T, m *Metrics) (numbers map[string]float64, text string) {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("/metrics answered %d: %s", w.Code, w.Body)
	}
	text = w.Body.String()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	numbers = map[string]float64{}
	for name, family := range families {
		for _, m := range family.GetMetric() {
			labels := []string{}
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			slices.Sort(labels)
			key := strings.TrimPrefix(name, "agentbridge_") + "{" + strings.Join(labels, ",") + "}"
			numbers[key] = m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return numbers, text
}

func TestMetrics_TellHowTheBridgeStands(t *testing.T) {
	w := newWorld(t)
	id, alpha, beta, _ := w.team(t)
	if _, err := w.Send(t.Context(), alpha, bridge.SendRequest{Message: "words of an agent"}); err != nil {
		t.Fatal(err)
	}
	var first bridge.TaskID
	for _, title := range []string{"a title", "another title"} {
		added, err := w.AddTask(t.Context(), alpha, bridge.AddTaskRequest{Title: title})
		if err != nil {
			t.Fatal(err)
		}
		if first == "" {
			first = added.Task
		}
	}
	if _, err := w.ClaimTask(t.Context(), beta, bridge.ClaimTaskRequest{Task: first}); err != nil {
		t.Fatal(err)
	}
	stands, err := w.Standing(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	got, text := scrape(t, NewMetrics(w.Service, "v1.2.3", w.log))
	want := map[string]float64{
		"up{}":                                   1,
		"conversations{paused=false,phase=open}": 1, "conversations{paused=true,phase=open}": 0,
		"members{liveness=alive}": 3, "members{liveness=idle}": 0, "members{liveness=silent}": 0, "members{liveness=gone}": 0,
		"member_liveness{conversation=" + string(id) + ",liveness=alive,member=beta}":  1,
		"member_liveness{conversation=" + string(id) + ",liveness=silent,member=beta}": 0,
		"tasks{state=open}": 1, "tasks{state=claimed}": 1, "tasks{state=done}": 0, "tasks{state=failed}": 0, "tasks{state=cancelled}": 0,
		"unacked_deliveries{}": float64(stands.Conversations[0].Waiting), "overdue_deliveries{}": 0,
		"alerts_total{kind=silent}": 0, "sweep_total{result=ok}": 0, "sweep_total{result=failed}": 0, "sweep_duration_seconds{}": 0,
	}
	for name, n := range want {
		if is, ok := got[name]; !ok || is != n {
			t.Errorf("%s = %v (there: %v), want %v", name, is, ok, n)
		}
	}
	if since := got["member_liveness_since_timestamp_seconds{conversation="+string(id)+",member=beta}"]; time.Since(time.Unix(int64(since), 0)).Abs() > time.Minute {
		t.Errorf("beta is alive since %v", since)
	}
	if stands.Conversations[0].Waiting == 0 {
		t.Error("nothing is unacked, so the number says nothing")
	}
	for name := range got {
		if strings.Contains(name, "member=delta") {
			t.Errorf("%s: delta never joined", name)
		}
	}
	for _, part := range []string{"\ngo_goroutines ", "\nprocess_cpu_seconds_total ", `agentbridge_build_info{go_version="go`, `version="v1.2.3"`} {
		if !strings.Contains(text, part) {
			t.Errorf("/metrics has no %q", part)
		}
	}
	for _, word := range []string{"words of an agent", "title"} {
		if strings.Contains(text, word) {
			t.Errorf("/metrics shows %q, which an agent wrote", word)
		}
	}
}

func TestMetrics_CountWhatTheWatchdogDid(t *testing.T) {
	w := newWorld(t)
	m := NewMetrics(w.Service, "test", w.log)
	m.swept(bridge.SweepReport{Reclaimed: 2}, time.Millisecond, nil)
	m.swept(bridge.SweepReport{}, time.Millisecond, errors.New("broken"))
	m.raised(bridge.Alert{Kind: bridge.AlertPaused})
	m.sent("webhook", nil)
	m.sent("webhook", errors.New("deaf"))
	m.sent("webhook", errors.New("deaf"))
	got, _ := scrape(t, m)
	for name, n := range map[string]float64{
		"sweep_total{result=ok}": 1, "sweep_total{result=failed}": 1, "sweep_duration_seconds{}": 2, "swept_total{what=delivery_reclaimed}": 2,
		"alerts_total{kind=paused}": 1, "alert_sendings_total{result=ok,sink=webhook}": 1, "alert_sendings_total{result=failed,sink=webhook}": 2,
	} {
		if got[name] != n {
			t.Errorf("%s = %v, want %v", name, got[name], n)
		}
	}
}

func TestMetrics_LeaveNothingOutOfASweepsReport(t *testing.T) {
	if labels, fields := len(done(bridge.SweepReport{})), reflect.TypeFor[bridge.SweepReport]().NumField(); labels != fields {
		t.Errorf("%d numbers for the %d of a report", labels, fields)
	}
}

func TestMetrics_AreNamedAsPrometheusWants(t *testing.T) {
	w := newWorld(t)
	w.team(t)
	m := NewMetrics(w.Service, "test", w.log)
	m.sent("webhook", nil)
	_, text := scrape(t, m)
	var ours strings.Builder
	for line := range strings.Lines(text) {
		if strings.Contains(line, "agentbridge_") {
			ours.WriteString(line)
		}
	}
	problems, err := promlint.New(strings.NewReader(ours.String())).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// A store that does not answer leaves the rest to be seen.
func TestMetrics_SayThatTheStoreIsDown(t *testing.T) {
	w := newWorld(t)
	m := NewMetrics(w.Service, "test", w.log)
	w.store.Close()
	got, text := scrape(t, m)
	if is, ok := got["up{}"]; !ok || is != 0 {
		t.Errorf("up = %v (there: %v), want 0", is, ok)
	}
	if !strings.Contains(text, "go_goroutines") || slices.ContainsFunc(slices.Collect(maps.Keys(got)), func(k string) bool { return strings.HasPrefix(k, "tasks{") }) {
		t.Error("want what the process knows, and no numbers of a store that did not answer")
	}
}
