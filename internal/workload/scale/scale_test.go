package scale_test

import (
	"math"
	"testing"
	"time"

	"agentbridge/internal/workload/scale"
)

const calls = 300_000

// near checks that a simulation is what theory says, to four percent.
func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 0.04*want {
		t.Errorf("%s = %.4g, theory says %.4g", what, got, want)
	}
}

// M/M/1 (Kleinrock, Queueing Systems I, 3.2): the time in the system is exponential with the mean 1/(µ-λ).
func TestRun_OneServerIsAsTheorySays(t *testing.T) {
	for _, load := range []float64{.3, .7, .9} {
		m := scale.Model{Rate: 1000 * load, Calls: 3 * calls, Seed: 1, Stations: []scale.Station{{Servers: 1, Serve: scale.Random(time.Millisecond)}}}
		res := m.Run()
		mean := .001 / (1 - load)
		near(t, "mean", res.Mean.Seconds(), mean)
		near(t, "p50", res.P50.Seconds(), mean*math.Ln2)
		near(t, "p99", res.P99.Seconds(), mean*math.Log(100))
		near(t, "busy", res.Busy[0], load)
		near(t, "throughput", res.PerSecond, 1000*load)
	}
}

// M/M/c: the wait is Erlang's C divided by cµ-λ.
func TestRun_ManyServersAreAsErlangSays(t *testing.T) {
	for _, c := range []int{2, 4, 16} {
		load := .8
		rate := load * float64(c) * 1000
		a := rate / 1000 // offered, in Erlang
		sum, term := 0.0, 1.0
		for k := range c {
			if k > 0 {
				term *= a / float64(k)
			}
			sum += term
		}
		last := term * a / float64(c) / (1 - load)
		wait := last / (sum + last) / (float64(c)*1000 - rate)
		m := scale.Model{Rate: rate, Calls: calls, Seed: 2, Stations: []scale.Station{{Servers: c, Serve: scale.Random(time.Millisecond)}}}
		near(t, "mean", m.Run().Mean.Seconds(), .001+wait)
	}
}

// M/D/1 (Pollaczek and Khinchine): who is always served for the same time waits half as long.
func TestRun_SteadyServiceHalvesTheWait(t *testing.T) {
	const load = .8
	m := scale.Model{Rate: 1000 * load, Calls: calls, Seed: 3, Stations: []scale.Station{{Servers: 1, Serve: scale.Always(time.Millisecond)}}}
	near(t, "mean", m.Run().Mean.Seconds(), .001+.001*load/(2*(1-load)))
}

// Jackson: stations in a row are each as if alone, and a random split of a random stream is one.
func TestRun_StationsInARowAddUp(t *testing.T) {
	m := scale.Model{Rate: 800, Calls: calls, Seed: 4, Stations: []scale.Station{
		{Servers: 1, Serve: scale.Random(time.Millisecond)},
		{Servers: 1, Copies: 4, Serve: scale.Random(3 * time.Millisecond)},
		{Serve: scale.Always(2 * time.Millisecond)},
	}}
	near(t, "mean", m.Run().Mean.Seconds(), .001/(1-.8)+.003/(1-.6)+.002)
}

// Clients that wait for their answers (the operational laws): below saturation clients/response, above it the slowest station's rate.
func TestRun_ClientsThatWaitFollowLittle(t *testing.T) {
	for _, clients := range []int{1, 4, 64} {
		m := scale.Model{Clients: clients, Calls: calls, Seed: 5, Stations: []scale.Station{
			{Servers: 2, Serve: scale.Random(time.Millisecond)}, {Serve: scale.Always(time.Millisecond)},
		}}
		res := m.Run()
		near(t, "clients", res.PerSecond*res.Mean.Seconds(), float64(clients))
		if clients == 1 {
			near(t, "one client", res.PerSecond, 500)
		}
		if clients == 64 {
			near(t, "saturated", res.PerSecond, 2000)
		}
	}
}

func TestRun_IsTheSameAgain(t *testing.T) {
	m := scale.Model{Rate: 100, Calls: 1000, Seed: 6, Stations: []scale.Station{{Servers: 1, Serve: scale.Random(time.Millisecond)}}}
	if a, b := m.Run(), m.Run(); a.Mean != b.Mean || a.P99 != b.P99 {
		t.Errorf("two runs of a model gave %v and %v", a, b)
	}
}
