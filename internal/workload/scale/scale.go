// Package scale simulates calls that pass through stations, each with a queue: hubs, databases, disks.
package scale

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Service draws how long a call is served.
type Service func(*rand.Rand) time.Duration

// Always takes the same time.
func Always(d time.Duration) Service { return func(*rand.Rand) time.Duration { return d } }

// Random takes that long in the mean, distributed exponentially: what the textbooks call M.
func Random(mean time.Duration) Service {
	return func(r *rand.Rand) time.Duration { return time.Duration(r.ExpFloat64() * float64(mean)) }
}

// Station is where calls are served in the order in which they come.
type Station struct {
	Name    string
	Copies  int // a call goes to any of them, as its conversation falls: shards, or hubs behind one address; 0: 1
	Servers int // how many calls a copy serves at once, as processors do; 0: any number, so that nobody waits
	Serve   Service
}

// Model is calls on their way through stations, one after another.
type Model struct {
	Stations []Station
	Rate     float64 // calls a second, at random times; 0: as Clients make them
	Clients  int     // each makes its next call when it has its answer
	Calls    int     // how many are counted, after a tenth as many that are not
	Seed     uint64
}

// Result is what became of the calls.
type Result struct {
	PerSecond      float64
	Mean, P50, P99 time.Duration // from a call to its answer
	Busy           []float64     // for each station, the share of its servers' time that they served; 0 where nobody waits
}

// Run simulates. The same model gives the same result.
func (m Model) Run() Result {
	r := rand.New(rand.NewPCG(m.Seed, 0x5ca1e))
	free := make([][]servers, len(m.Stations)) // by station and copy
	busy := make([]time.Duration, len(m.Stations))
	for i, s := range m.Stations {
		free[i] = make([]servers, max(1, s.Copies))
		for k := range free[i] {
			free[i][k] = make(servers, s.Servers)
		}
	}
	var next events
	var clock time.Duration
	if m.Rate > 0 {
		heap.Push(&next, event{at: m.gap(r)})
	}
	for range m.Clients {
		heap.Push(&next, event{})
	}
	warm := m.Calls / 10
	var since time.Duration
	var took []time.Duration
	for done := 0; done < warm+m.Calls; {
		e := heap.Pop(&next).(event)
		clock = e.at
		if e.stage == 0 {
			e.began = e.at
			if m.Rate > 0 {
				heap.Push(&next, event{at: e.at + m.gap(r)})
			}
		}
		if e.stage < len(m.Stations) {
			s := m.Stations[e.stage]
			serve := s.Serve(r)
			e.at += serve
			if s.Servers > 0 {
				copies := free[e.stage]
				e.at = copies[r.IntN(len(copies))].serve(clock, serve)
				if done >= warm {
					busy[e.stage] += serve
				}
			}
			e.stage++
			heap.Push(&next, e)
			continue
		}
		if done++; done > warm {
			took = append(took, e.at-e.began)
		} else {
			since = e.at
		}
		if m.Rate == 0 {
			heap.Push(&next, event{at: e.at})
		}
	}
	return m.result(took, clock-since, busy)
}

func (m Model) gap(r *rand.Rand) time.Duration {
	return time.Duration(r.ExpFloat64() / m.Rate * float64(time.Second))
}

func (m Model) result(took []time.Duration, span time.Duration, busy []time.Duration) (res Result) {
	slices.Sort(took)
	var sum time.Duration
	for _, d := range took {
		sum += d
	}
	res.PerSecond = float64(len(took)) / span.Seconds()
	res.Mean, res.P50, res.P99 = sum/time.Duration(len(took)), took[len(took)/2], took[len(took)*99/100]
	for i, s := range m.Stations {
		share := 0.0
		if s.Servers > 0 {
			share = busy[i].Seconds() / span.Seconds() / float64(s.Servers*max(1, s.Copies))
		}
		res.Busy = append(res.Busy, math.Min(1, share))
	}
	return res
}

// servers are when each server of a copy is free again.
type servers []time.Duration

// serve has the first that is free serve a call, and gives when that is done. Calls come in the order of their times, so none is passed over.
func (s servers) serve(at, long time.Duration) time.Duration {
	first := 0
	for i, t := range s {
		if t < s[first] {
			first = i
		}
	}
	s[first] = max(at, s[first]) + long
	return s[first]
}

// event is a call that comes to a station, or to its end.
type event struct {
	at, began time.Duration
	stage     int
}

type events []event

func (e events) Len() int           { return len(e) }
func (e events) Less(i, j int) bool { return e[i].at < e[j].at }
func (e events) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)        { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	old := *e
	x := old[len(old)-1]
	*e = old[:len(old)-1]
	return x
}
