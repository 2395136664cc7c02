package daemon

import (
	"context"
	"log/slog"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"agentbridge/internal/bridge"
)

const (
	scrapeTime = 5 * time.Second // for looking at the store
	scrapes    = 2               // at once; further ones are 503
)

// Metrics is what a process tells Prometheus: how the bridge stands, by [bridge.Service.Standing] at the moment of asking, and what
// this process's [Watchdog] did since it started. Names of conversations and members are in it, nothing that anybody wrote.
//
// A nil Metrics counts nothing.
type Metrics struct {
	registry *prometheus.Registry
	sweeps   *prometheus.CounterVec
	duration prometheus.Histogram
	did      *prometheus.CounterVec
	alerts   *prometheus.CounterVec
	sendings *prometheus.CounterVec
}

// NewMetrics makes the metrics of a bridge. Version is that of the program.
func NewMetrics(svc *bridge.Service, version string, log *slog.Logger) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "agentbridge_" + name, Help: help}, labels)
	}
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		sweeps:   counter("sweep_total", "Sweeps of this process, by result: ok or failed.", "result"),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "agentbridge_sweep_duration_seconds", Help: "How long a sweep of this process took.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}),
		did:      counter("swept_total", "What sweeps of this process did: how many of what.", "what"),
		alerts:   counter("alerts_total", "Alerts raised since this process started, by any process.", "kind"),
		sendings: counter("alert_sendings_total", "Tries of this process to give an alert to a sink, by result: ok or failed.", "sink", "result"),
	}
	built := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "agentbridge_build_info", Help: "1, with the version of agentbridge and of Go.",
		ConstLabels: prometheus.Labels{"version": version, "go_version": runtime.Version()},
	})
	built.Set(1)
	m.registry.MustRegister(m.sweeps, m.duration, m.did, m.alerts, m.sendings, built, standing{svc, log},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	// From 0 on, so that the first of each is an increase.
	for _, kind := range []bridge.AlertKind{bridge.AlertSilent, bridge.AlertRecovered, bridge.AlertTaskFailed, bridge.AlertPaused, bridge.AlertFork} {
		m.alerts.WithLabelValues(string(kind))
	}
	m.sweeps.WithLabelValues("ok")
	m.sweeps.WithLabelValues("failed")
	m.counted(bridge.SweepReport{})
	return m
}

// Handler answers scrapes. It asks for no token: see [Local].
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: scrapes})
}

func (m *Metrics) swept(rep bridge.SweepReport, took time.Duration, err error) {
	if m == nil {
		return
	}
	m.sweeps.WithLabelValues(result(err)).Inc()
	m.duration.Observe(took.Seconds())
	m.counted(rep)
}

func (m *Metrics) counted(rep bridge.SweepReport) {
	for what, n := range done(rep) {
		m.did.WithLabelValues(what).Add(float64(n))
	}
}

// done is a report by label.
func done(rep bridge.SweepReport) map[string]int {
	return map[string]int{
		"delivery_reclaimed": rep.Reclaimed, "delivery_dead": rep.Dead,
		"conversation_warned": rep.Warned, "conversation_buried": rep.Buried, "conversation_erased": rep.Erased,
		"heartbeat_written": rep.Beats, "member_silenced": rep.Silenced, "member_recovered": rep.Recovered,
		"task_reopened": rep.Reopened, "task_failed": rep.Failed, "task_nudged": rep.Nudged, "task_reassigned": rep.Reassigned,
		"command_ended": rep.Commands,
	}
}

func (m *Metrics) raised(a bridge.Alert) {
	if m != nil {
		m.alerts.WithLabelValues(string(a.Kind)).Inc()
	}
}

func (m *Metrics) sent(sink string, err error) {
	if m != nil {
		m.sendings.WithLabelValues(sink, result(err)).Inc()
	}
}

func result(err error) string {
	if err != nil {
		return "failed"
	}
	return "ok"
}

// standing collects how the bridge stands: the numbers that `agentbridge status` shows.
type standing struct {
	svc *bridge.Service
	log *slog.Logger
}

func gauge(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("agentbridge_"+name, help, labels, nil)
}

var (
	upDesc            = gauge("up", "1 if the store answered this scrape, otherwise 0, and then what is said of conversations is missing.")
	sweptDesc         = gauge("last_sweep_timestamp_seconds", "When some process was last known to sweep the store.")
	forkDesc          = gauge("audit_fork", "1 while the deployment's audit log is not the one that was seen before, until a person accepts it.")
	conversationsDesc = gauge("conversations", "Conversations that can be talked in.", "phase", "paused")
	membersDesc       = gauge("members", "Members that joined, by what the bridge saw of them.", "liveness")
	livenessDesc      = gauge("member_liveness", "1 for the liveness of a member, 0 for the others.", "conversation", "member", "liveness")
	sinceDesc         = gauge("member_liveness_since_timestamp_seconds", "When the liveness of a member became what it is.", "conversation", "member")
	tasksDesc         = gauge("tasks", "Tasks of open conversations, by state.", "state")
	unackedDesc       = gauge("unacked_deliveries", "Copies of messages that their recipients have not acked yet.")
	refusalsDesc      = gauge("refusals_total", "Calls and requests that this process refused since it started, by code.", "code")
	overdueDesc       = gauge("overdue_deliveries", "Those of the unacked that are so for longer than is usual; up to 100 of each member are counted.")
)

var (
	livenesses = []bridge.Liveness{bridge.Alive, bridge.Idle, bridge.Silent, bridge.Gone}
	taskStates = []bridge.TaskState{bridge.TaskOpen, bridge.TaskClaimed, bridge.TaskDone, bridge.TaskFailed, bridge.TaskCancelled}
)

func (standing) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{upDesc, sweptDesc, forkDesc, conversationsDesc, membersDesc, livenessDesc, sinceDesc, tasksDesc, unackedDesc, overdueDesc} {
		ch <- d
	}
	ch <- refusalsDesc
}

func (c standing) Collect(ch chan<- prometheus.Metric) {
	put := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	refused := c.svc.Refusals()
	for code := range bridge.Codes { // from 0 on
		ch <- prometheus.MustNewConstMetric(refusalsDesc, prometheus.CounterValue, float64(refused[code]), string(code))
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	s, err := c.svc.Standing(ctx)
	if err != nil {
		c.log.Warn("metrics", "error", err)
		put(upDesc, 0)
		return
	}
	put(upDesc, 1)
	put(forkDesc, one(s.Fork != nil))
	if s.SweptAt != nil {
		put(sweptDesc, seconds(*s.SweptAt))
	}
	paused, members, tasks := map[bool]int{}, map[bridge.Liveness]int{}, map[bridge.TaskState]int{}
	unacked, overdue := 0, 0
	for _, conv := range s.Conversations {
		paused[conv.PausedAt != nil]++
		unacked += conv.Waiting
		for state, n := range conv.Tasks {
			tasks[state] += n
		}
		for _, m := range conv.Roster {
			overdue += m.Overdue
			if !m.Joined {
				continue
			}
			members[m.Liveness]++
			for _, l := range livenesses {
				put(livenessDesc, one(l == m.Liveness), string(conv.Conversation), m.Name, string(l))
			}
			put(sinceDesc, seconds(m.Since), string(conv.Conversation), m.Name)
		}
	}
	for _, is := range []bool{false, true} {
		put(conversationsDesc, float64(paused[is]), string(bridge.Open), strconv.FormatBool(is))
	}
	for _, l := range livenesses {
		put(membersDesc, float64(members[l]), string(l))
	}
	for _, state := range taskStates {
		put(tasksDesc, float64(tasks[state]), string(state))
	}
	put(unackedDesc, float64(unacked))
	put(overdueDesc, float64(overdue))
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
