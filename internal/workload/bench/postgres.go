package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/workload"
)

// pgMost is the most clients at once.
const pgMost = 64

// postgres has one hub, two hubs and pgbench do the same at the same concurrency, in turns: sends, and sends that are read. What
// pgbench runs are the very statements of a hub, as they went over the wire, in as many conversations as it has clients.
func (b *bench) postgres(ctx context.Context) (err error) {
	f, leave, err := b.field(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, leave()) }()
	for _, clients := range []int{16, pgMost} {
		for _, mix := range []bool{false, true} {
			if err := f.compare(ctx, clients, mix); err != nil {
				return err
			}
		}
	}
	return f.wake(ctx)
}

// field starts a server and three hubs. Leave ends them.
func (b *bench) field(ctx context.Context) (f *pgField, leave func() error, err error) {
	servers, err := startPg(ctx, `"$AGENTBRIDGE_TEST_POSTGRES"`)
	if err != nil {
		return nil, nil, err
	}
	f = &pgField{b: b}
	schema := "bench_" + strings.ToLower(rand.Text()[:10])
	leave = func() error {
		for _, h := range f.hubs {
			h.leave()
		}
		err := pgAdmin(context.WithoutCancel(ctx), servers.said[0], "DROP SCHEMA IF EXISTS "+schema+" CASCADE")
		return errors.Join(err, servers.stop())
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, leave())
		}
	}()
	if f.dsn, err = pgWith(servers.said[0], "search_path", schema); err != nil {
		return nil, nil, err
	}
	if f.server, err = pgServer(ctx, servers.said[0]); err != nil {
		return nil, nil, err
	}
	if err := f.furnish(ctx); err != nil {
		return nil, nil, err
	}
	for range 3 {
		hub, err := f.hub(ctx)
		if err != nil {
			return nil, nil, err
		}
		f.hubs = append(f.hubs, hub)
	}
	return f, leave, nil
}

// pgField is where they are compared: three times so many pairs, for pgbench, for one hub and for two.
type pgField struct {
	b         *bench
	dsn       string
	keys      []byte
	pairs     []pgPair
	send, mix script
	hubs      []*pgHub
	server    int           // its process
	cpu       time.Duration // what a round of the last order took of the hubs' processors
	moved     int           // how far pgbench's clients have moved on
}

// furnish makes the pairs and pgbench's scripts.
func (f *pgField) furnish(ctx context.Context) error {
	u, err := url.Parse(f.dsn)
	if err != nil {
		return err
	}
	tap, err := record(u.Host)
	if err != nil {
		return err
	}
	defer tap.close()
	tapped, err := pgWith(f.dsn, "host", tap.address())
	if err != nil {
		return err
	}
	if err := f.makePairs(ctx, tapped, 3*pgMost); err != nil {
		return err
	}
	keys, err := bridge.ParseKeyRing(f.keys)
	if err != nil {
		return err
	}
	store, svc, err := pgService(ctx, tapped, keys)
	if err != nil {
		return err
	}
	defer store.Close()
	heard := map[bool][][rounds][]statement{}
	var all []statement
	for _, mix := range []bool{true, false} {
		for _, p := range f.pairs[:pgMost] {
			talk, err := p.at(ctx, svc)
			if err != nil {
				return err
			}
			said, err := listenTo(tap, func() error { return talk.round(ctx, mix) })
			if err != nil {
				return err
			}
			for _, round := range said {
				all = append(all, round...)
			}
			heard[mix] = append(heard[mix], said)
		}
		if mix {
			if err := pgAdmin(ctx, f.dsn, "CREATE TABLE bench_last AS SELECT id, last_seq FROM conversations; ANALYZE"); err != nil {
				return err
			}
		}
	}
	kinds, err := pgKinds(ctx, f.dsn, all)
	if err != nil {
		return err
	}
	if f.send, err = compose(heard[false], kinds); err != nil {
		return fmt.Errorf("sends: %w", err)
	}
	if f.mix, err = compose(heard[true], kinds); err != nil {
		return fmt.Errorf("sends and checks: %w", err)
	}
	return errors.Join(pgFill(ctx, f.dsn, "bench_send", f.send), pgFill(ctx, f.dsn, "bench_mix", f.mix))
}

// makePairs makes the bridge's keys and conversations of two agents each.
func (f *pgField) makePairs(ctx context.Context, dsn string, pairs int) error {
	keys := bridge.NewKeyRing()
	text, err := keys.MarshalText()
	if err != nil {
		return err
	}
	f.keys = text
	store, svc, err := pgService(ctx, dsn, keys)
	if err != nil {
		return err
	}
	for n := range pairs {
		p, err := newPair(ctx, svc, n)
		if err != nil {
			return errors.Join(err, store.Close())
		}
		f.pairs = append(f.pairs, p)
	}
	return store.Close()
}

// listenTo gives three rounds in a row that said the same. Once in a while an agent's presence is noted beside them.
func listenTo(tap *recorder, round func() error) (said [rounds][]statement, err error) {
	alike := func(a, b statement) bool { return a.sql == b.sql }
	for r := -rounds; r < 100; r++ {
		heard, err := tap.take(round)
		if err != nil {
			return said, err
		}
		said = [rounds][]statement{said[1], said[2], heard}
		if r >= rounds-1 && slices.EqualFunc(said[0], said[1], alike) && slices.EqualFunc(said[1], said[2], alike) {
			return said, nil
		}
	}
	return said, errors.New("no three rounds said the same")
}

// newPair makes a conversation of two new agents.
func newPair(ctx context.Context, svc *bridge.Service, n int) (p pgPair, err error) {
	alpha, beta := fmt.Sprintf("alpha%d", n), fmt.Sprintf("beta%d", n)
	var err1, err2 error
	p.Alpha, _, err1 = svc.NewAgent(ctx, alpha, false)
	p.Beta, _, err2 = svc.NewAgent(ctx, beta, false)
	if err := errors.Join(err1, err2); err != nil {
		return p, err
	}
	talk, err := p.at(ctx, svc)
	if err != nil {
		return p, err
	}
	made, err := svc.Create(ctx, talk.alpha, bridge.CreateRequest{Role: "builder", Partners: []bridge.Partner{{Name: beta, Role: "reader"}}})
	if err != nil {
		return p, err
	}
	p.Conversation = made.Conversation
	_, err = svc.Join(ctx, talk.beta, bridge.JoinRequest{Code: made.Invites[0].Code})
	return p, err
}

// compare measures the three in short turns, so that what else the machine does meets all of them.
func (f *pgField) compare(ctx context.Context, clients int, mix bool) error {
	turns := 7
	span := 2 * time.Second
	if f.b.quick {
		turns, span = 3, time.Second
	}
	var floor, piped, one, two contest
	var ratio1, ratio2 []float64
	var each workload.Sample
	for range turns {
		if err := pgAdmin(ctx, f.dsn, "UPDATE deliveries SET state = 'acked' WHERE state IN ('stored', 'delivered'); CHECKPOINT"); err != nil {
			return err
		}
		var sample workload.Sample
		for _, c := range []struct {
			to  *contest
			run func() (float64, time.Duration, error)
		}{
			{&floor, func() (float64, time.Duration, error) { return f.pgbench(ctx, clients, span, mix, false) }},
			{&one, func() (rate float64, cpu time.Duration, err error) {
				rate, cpu, sample, err = f.ask(pgOrder{For: span, Mix: mix}, pgMost, clients, f.hubs[:1]...)
				return rate, cpu, err
			}},
			{&two, func() (rate float64, cpu time.Duration, err error) {
				rate, cpu, _, err = f.ask(pgOrder{For: span, Mix: mix}, 2*pgMost, clients, f.hubs[1:]...)
				return rate, cpu, err
			}},
			{&piped, func() (float64, time.Duration, error) { return f.pgbench(ctx, clients, span, mix, true) }},
		} {
			rate, cpu, err := c.run()
			if err != nil {
				return err
			}
			c.to.rates, c.to.cpus = append(c.to.rates, rate), append(c.to.cpus, float64(cpu.Microseconds()))
		}
		n := len(floor.rates) - 1
		ratio1, ratio2 = append(ratio1, one.rates[n]/floor.rates[n]), append(ratio2, two.rates[n]/floor.rates[n])
		each = append(each, sample...)
		fmt.Fprintf(os.Stderr, "%d clients, mix %v: pgbench %s, in trips as ours %s, one hub %s, two %s\n", clients, mix, floor.last(), piped.last(), one.last(), two.last())
	}
	what, unit := "sends", "sends/s"
	if mix {
		what, unit = "sends, each with a check that reads it", "pairs/s"
	}
	f.b.rows = append(f.b.rows, row{
		fmt.Sprintf("PostgreSQL, %d clients in as many conversations, %s, one hub", clients, what),
		fmt.Sprintf("%.0f %s, %.2f × (median of %d turns); p50 %s, p99 %s; %.0f µs of processor each", median(one.rates), unit, median(ratio1), turns, ms(each.At(.5)), ms(each.At(.99)), median(one.cpus)),
		fmt.Sprintf("pgbench, the same statements: %.0f, %.0f µs; in trips as ours: %.0f, %.0f µs", median(floor.rates), median(floor.cpus), median(piped.rates), median(piped.cpus)), "≥ 0.6 × pgbench", median(ratio1) >= .6,
	}, row{
		fmt.Sprintf("the same by two hubs, %d clients each", clients/2),
		fmt.Sprintf("%.0f %s, %.2f ×; %.0f µs", median(two.rates), unit, median(ratio2), median(two.cpus)), "as above", "≥ 1.0 × pgbench", median(ratio2) >= 1,
	})
	return nil
}

// contest is what one of those who are compared did in each turn.
type contest struct {
	rates []float64 // rounds a second
	cpus  []float64 // microseconds of processor that a round took, of all processes together
}

func (c contest) last() string {
	n := len(c.rates) - 1
	return fmt.Sprintf("%.0f (%.0f µs)", c.rates[n], c.cpus[n])
}

func median(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}

// pgHub is a process with a Service.
type pgHub struct {
	process *exec.Cmd
	in      *json.Encoder
	out     *json.Decoder
	end     func() error
}

func (f *pgField) hub(ctx context.Context) (*pgHub, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, pgHubArg)
	cmd.Stderr = os.Stderr
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		return nil, err
	}
	h := &pgHub{process: cmd, in: json.NewEncoder(in), out: json.NewDecoder(out), end: in.Close}
	return h, h.in.Encode(pgStart{DSN: f.dsn, Keys: string(f.keys), Pairs: f.pairs})
}

func (h *pgHub) leave() {
	h.end()
	h.process.Wait()
}

// ask has hubs share clients that begin at the pair from, and gives how many rounds they make a second, and what one takes of the processors.
func (f *pgField) ask(o pgOrder, from, clients int, hubs ...*pgHub) (rate float64, cpu time.Duration, each workload.Sample, err error) {
	before := used(f.server)
	for i, h := range hubs {
		o.From, o.To = from+i*clients/len(hubs), from+(i+1)*clients/len(hubs)
		if err := h.in.Encode(o); err != nil {
			return 0, 0, nil, err
		}
	}
	for _, h := range hubs {
		var found pgFound
		if err := h.out.Decode(&found); err != nil {
			return 0, 0, nil, err
		}
		if found.Fault != "" {
			return 0, 0, nil, errors.New(found.Fault)
		}
		rate += float64(found.Rounds) / found.Took.Seconds()
		cpu += found.CPU
		each = append(each, found.Each...)
	}
	f.cpu = cpu / time.Duration(max(1, len(each)))
	return rate, (cpu + used(f.server) - before) / time.Duration(max(1, len(each))), each, nil
}

// wake has one hub send what wakes a partner who waits at another.
func (f *pgField) wake(ctx context.Context) error {
	pair, span := 2*pgMost, 10*time.Second
	if f.b.quick {
		span = 3 * time.Second
	}
	if err := pgAdmin(ctx, f.dsn, "UPDATE deliveries SET state = 'acked' WHERE state IN ('stored', 'delivered')"); err != nil {
		return err
	}
	keys, err := bridge.ParseKeyRing(f.keys)
	if err != nil {
		return err
	}
	store, svc, err := pgService(ctx, f.dsn, keys)
	if err != nil {
		return err
	}
	defer store.Close()
	talk, err := f.pairs[pair].at(ctx, svc)
	if err != nil {
		return err
	}
	if err := f.hubs[1].in.Encode(pgOrder{From: pair, For: span, Wake: true}); err != nil {
		return err
	}
	var sent []time.Time
	time.Sleep(time.Second)
	for end := time.Now().Add(span - 2*time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) { // it is waiting again by then
		sent = append(sent, time.Now())
		if err := talk.round(ctx, false); err != nil {
			return err
		}
	}
	var found pgFound
	if err := f.hubs[1].out.Decode(&found); err != nil {
		return err
	}
	if found.Fault != "" || len(found.Woken) != len(sent) {
		return fmt.Errorf("%d sent, %d woken: %s", len(sent), len(found.Woken), found.Fault)
	}
	var took workload.Sample
	for i, at := range sent {
		took = append(took, found.Woken[i].Sub(at))
	}
	p50 := took.At(.5)
	f.b.rows = append(f.b.rows, row{
		fmt.Sprintf("wake-up from hub to hub on PostgreSQL: from the start of a send to what a waiting check gives, %d times", len(took)),
		fmt.Sprintf("p50 %s, p99 %s", ms(p50), ms(took.At(.99))), "–", "p50 ≤ 10 ms", p50 <= 10*time.Millisecond,
	})
	return nil
}
