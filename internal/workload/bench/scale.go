package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"agentbridge/internal/workload/scale"
)

// scale measures what a send takes of processors and disk, simulates it, holds the simulation against a real point, and then lets it grow.
func (b *bench) scale(ctx context.Context) (err error) {
	f, leave, err := b.field(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, leave()) }()
	span := time.Duration(max(3, b.some(10))) * time.Second
	const clients = 16
	// One alone has no queue before it: what it takes beyond its processor time is the disk, and trips.
	_, aloneCPU, alone, err := f.ask(pgOrder{For: span}, pgMost, 1, f.hubs[0])
	if err != nil {
		return err
	}
	rate, cpu, _, err := f.ask(pgOrder{For: span}, pgMost, clients, f.hubs[0])
	if err != nil {
		return err
	}
	hub := f.cpu
	server := cpu - hub
	wait := max(0, alone.At(.5)-aloneCPU)
	fmt.Printf("measured: a send takes %s of processor in the hub, %s in the server (%d clients); alone %s, of which %s is no processor's; %.0f sends/s\n",
		ms(hub), ms(server), clients, ms(alone.At(.5)), ms(wait), rate)
	// At half of that, commits are shared by fewer, so each takes more.
	_, halfCPU, got, err := f.ask(pgOrder{For: span, Rate: rate / 2}, pgMost, clients, f.hubs[0])
	if err != nil {
		return err
	}
	want := scale.Model{Rate: rate / 2, Calls: 100_000, Seed: 1, Stations: []scale.Station{
		{Name: "processors", Servers: 2, Serve: scale.Always(halfCPU)}, {Name: "disk", Serve: scale.Always(wait)},
	}}.Run()
	off := float64(want.P50) / float64(got.At(.5))
	b.rows = append(b.rows, row{
		fmt.Sprintf("simulation beside reality: %.0f sends/s at random times, half of what one hub can, p50", rate/2),
		fmt.Sprintf("real %s (p99 %s); simulated %s (%s): %.2f × the real one", ms(got.At(.5)), ms(got.At(.99)), ms(want.P50), ms(want.P99), off),
		"–", "within a factor of 2", off >= .5 && off <= 2,
	})
	grow(hub, server, wait)
	return nil
}

// A million agents, as doc/scale.md reckons: of which a tenth are awake at a time, each with a call every half minute.
const (
	agents     = 1_000_000
	awake      = .1
	every      = 30 * time.Second
	perShard   = 16 // processors of a database node
	perHub     = 4
	headroom   = .6 // of a processor's time, so that queues stay short
	hubsAtOnce = 2  // the least, so that one may die
)

// grow simulates the deployment that the arithmetic gives, at several loads.
func grow(hub, server, wait time.Duration) {
	calls := agents * awake / every.Seconds()
	shards := max(1, ceil(calls*server.Seconds()/headroom/perShard))
	hubs := max(hubsAtOnce, ceil(calls*hub.Seconds()/headroom/perHub))
	fmt.Printf("%d agents, %.0f %% awake, a call each %s: %.0f calls/s, %.0f a day; %d hubs of %d processors, %d database nodes of %d\n",
		agents, 100*awake, every, calls, calls*86400, hubs, perHub, shards, perShard)
	fmt.Println("| of that load | calls/s | hubs busy | databases busy | p50 | p99 |\n|---|---|---|---|---|---|")
	for _, load := range []float64{.25, .5, 1, 1.25, 1.5, 1.6} {
		res := scale.Model{Rate: calls * load, Calls: 200_000, Seed: 1, Stations: []scale.Station{
			{Name: "hubs", Copies: hubs, Servers: perHub, Serve: scale.Random(hub)},
			{Name: "databases", Copies: shards, Servers: perShard, Serve: scale.Random(server)},
			{Name: "disk", Serve: scale.Always(wait)},
		}}.Run()
		fmt.Printf("| %.2f | %.0f | %.2f | %.2f | %s | %s |\n", load, calls*load, res.Busy[0], res.Busy[1], ms(res.P50), ms(res.P99))
	}
	fmt.Fprintln(os.Stderr)
}

func ceil(x float64) int {
	n := int(x)
	if float64(n) < x {
		n++
	}
	return n
}
