package workload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"agentbridge/internal/bridge"
)

// Partitions is what [Partition] does to a hub and its agents.
type Partitions struct {
	Hub, Agents Program // the agents' data directory is none of the hub's
	Listen      string  // where the hub listens
	Lines       string  // the address of this process at which the agents reach their lines to the hub
	Pairs       int     // of a sender and a reader, each with a line of its own
	Cuts        int     // of each line, one after the other
	Least, Most time.Duration
	Kills       int // of the hub, after the cuts
	Delay       time.Duration
	// Down takes the agents' link down and gives what brings it up again; nil: it cannot be done here. Downs is how often.
	Down  func() (up func(), err error)
	Downs int
}

// PartitionReport is what the clients saw. Lost, Doubled and Faults are empty where every promise held.
type PartitionReport struct {
	Cuts, Kills, Downs    int
	Acknowledged          int    // sends that were answered
	Refused               int    // answers that said clearly that the hub is away; the same was sent again under its key
	Redelivered           int    // messages that came again before they were acked, marked
	Healed                Sample // from the end of a cut to the next thing that was delivered, or acknowledged, over that line
	Restarted             Sample // from the hub's listening again after a kill
	Raised                Sample // from a link's being up again
	Lost, Doubled, Faults []string
}

// Partition has pairs of agents talk over lines that are cut in the dark, over a link that goes down, and to a hub that gets SIGKILL,
// each time under load, while every client keeps its own record. Then it compares the records, and has the audit log verified.
func Partition(ctx context.Context, q Partitions) (rep PartitionReport, err error) {
	hub, err := q.Hub.Serve(ctx, q.Listen)
	if err != nil {
		return rep, err
	}
	defer func() { hub.Kill() }()
	t := &torn{Partitions: q, hub: hub}
	defer t.close()
	if err := t.gather(ctx); err != nil {
		return rep, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	writing, quiet := context.WithCancel(ctx)
	var writers, readers, tearing sync.WaitGroup
	for _, pair := range t.pairs {
		writers.Go(func() { pair.write(writing) })
		readers.Go(func() { pair.read(ctx) })
	}
	for _, pair := range t.pairs {
		tearing.Go(func() { healed, err := t.tear(ctx, pair); rep.add(&t.mu, healed, err) })
	}
	tearing.Wait()
	rep.Cuts = len(t.ends) * q.Cuts
	for range q.Downs {
		if err = t.down(ctx, &rep); err != nil {
			break
		}
	}
	for range q.Kills {
		if err = errors.Join(err, t.kill(ctx, &rep)); err != nil {
			break
		}
	}
	quiet()
	writers.Wait()
	pause(ctx, 8*time.Second) // what is still on its way arrives
	stop()
	readers.Wait()
	for _, pair := range t.pairs {
		pair.tell(&rep)
	}
	faults, verr := q.Hub.verify()
	rep.Faults = append(rep.Faults, faults...)
	return rep, errors.Join(err, verr)
}

// torn is a partition under way.
type torn struct {
	Partitions
	hub   *Hub
	pairs []*pair
	ends  []*end
	mu    sync.Mutex // guards the report
}

// end is an agent at the end of a line.
type end struct {
	name   string
	line   *Line
	player *Player

	mu   sync.Mutex // guards last
	last time.Time  // when something was last delivered to it, or acknowledged
}

func (e *end) happened() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last = time.Now()
}

// since waits until something happened after a moment, and tells how long that took.
func (e *end) since(ctx context.Context, from time.Time) (time.Duration, error) {
	for deadline := from.Add(time.Minute); time.Now().Before(deadline) && ctx.Err() == nil; pause(ctx, 5*time.Millisecond) {
		e.mu.Lock()
		last := e.last
		e.mu.Unlock()
		if last.After(from) {
			return last.Sub(from), nil
		}
	}
	return 0, fmt.Errorf("%s: nothing within a minute", e.name)
}

// pair is a sender and a reader with their records.
type pair struct {
	from, to *end

	mu      sync.Mutex // guards all below
	sent    []string
	refused int
	reader  reader
	faults  []string
}

func (t *torn) close() {
	for _, e := range t.ends {
		if e.player != nil {
			e.player.Kill()
		}
		e.line.Close()
	}
}

// gather makes agents, lines and conversations.
func (t *torn) gather(ctx context.Context) error {
	for i := range t.Pairs {
		p := &pair{reader: reader{got: map[string]int{}, acked: map[string]bool{}}}
		for _, of := range []struct {
			at   **end
			name string
		}{{&p.from, fmt.Sprint("from-", i)}, {&p.to, fmt.Sprint("to-", i)}} {
			e, err := t.connect(ctx, of.name)
			if err != nil {
				return err
			}
			*of.at = e
		}
		if _, err := Meet(ctx, p.from.player, p.to.player); err != nil {
			return err
		}
		t.pairs = append(t.pairs, p)
	}
	return nil
}

// connect makes an agent, whose hub is at the near end of a line of its own.
func (t *torn) connect(ctx context.Context, name string) (*end, error) {
	token, err := t.Hub.Token(name)
	if err != nil {
		return nil, err
	}
	line, err := NewLine(t.Lines+":0", t.hub.Address)
	if err != nil {
		return nil, err
	}
	line.Slow(t.Delay)
	e := &end{name: name, line: line}
	t.ends = append(t.ends, e)
	at := bridge.HubAddress{URL: "http://" + line.Address()}
	if t.hub.TLS {
		var known bridge.HubAddress
		text, err := os.ReadFile(filepath.Join(t.Hub.Data, "hub.json"))
		if err == nil {
			err = json.Unmarshal(text, &known)
		}
		if err != nil {
			return nil, err
		}
		at = bridge.HubAddress{URL: "https://" + line.Address(), Fingerprint: known.Fingerprint}
	}
	text, err := json.Marshal(at)
	if err == nil {
		err = errors.Join(t.Agents.Settle(name, token), os.WriteFile(filepath.Join(t.Agents.Data, "agents", name+".hub"), text, 0o600))
	}
	if err != nil {
		return nil, err
	}
	e.player, err = t.Agents.Play(ctx, name)
	return e, err
}

// write sends one message after the other, each until it is acknowledged.
func (p *pair) write(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		text := fmt.Sprint(p.from.name, " ", n)
		for {
			// Not with ctx: a send whose answer nobody waits for is one of which nobody knows.
			_, err := p.from.player.Send(context.WithoutCancel(ctx), text, strings.ReplaceAll(text, " ", "-"))
			if err == nil {
				p.from.happened()
				p.note(func() { p.sent = append(p.sent, text) })
				break
			}
			refusal, ok := errors.AsType[*bridge.Error](err)
			p.note(func() {
				p.refused++
				if !ok || refusal.Code != bridge.Unavailable {
					p.faults = append(p.faults, err.Error())
				}
			})
			if !ok || ctx.Err() != nil {
				return
			}
		}
		pause(ctx, rand.N(100*time.Millisecond))
	}
}

// read takes what comes.
func (p *pair) read(ctx context.Context) {
	for ctx.Err() == nil {
		res, err := p.to.player.Check(ctx, 5)
		p.note(func() {
			refusal, ok := errors.AsType[*bridge.Error](err)
			switch {
			case err == nil:
				for _, text := range p.reader.last {
					p.reader.acked[text] = true
				}
				p.reader.last = p.reader.note(res)
			case ctx.Err() == nil && (!ok || refusal.Code != bridge.Unavailable):
				p.faults = append(p.faults, err.Error())
			}
		})
		if err == nil && len(res.Messages) > 0 {
			p.to.happened()
		}
	}
}

func (p *pair) note(fn func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fn()
}

// tell puts a pair's records into the report.
func (p *pair) tell(rep *PartitionReport) {
	p.mu.Lock()
	defer p.mu.Unlock()
	rep.Acknowledged += len(p.sent)
	rep.Refused += p.refused
	rep.Redelivered += p.reader.redelivered
	rep.Doubled = append(rep.Doubled, p.reader.doubled...)
	rep.Faults = append(append(rep.Faults, p.faults...), p.reader.faults...)
	for _, text := range p.sent {
		if p.reader.got[text] == 0 {
			rep.Lost = append(rep.Lost, text)
		}
	}
}

// tear cuts the two lines of a pair in turn, again and again, and measures what it takes until each carries something again. The other
// line is whole meanwhile, so that there is something to carry.
func (t *torn) tear(ctx context.Context, p *pair) (healed Sample, err error) {
	for n := range 2 * t.Cuts {
		e := p.from
		if n%2 == 1 {
			e = p.to
		}
		pause(ctx, 500*time.Millisecond+rand.N(2*time.Second))
		e.line.Cut()
		pause(ctx, t.Least+rand.N(t.Most-t.Least+1))
		e.line.Heal()
		took, err := e.since(ctx, time.Now())
		if err != nil {
			return healed, err
		}
		healed = append(healed, took)
	}
	return healed, nil
}

func (rep *PartitionReport) add(mu *sync.Mutex, healed Sample, err error) {
	mu.Lock()
	defer mu.Unlock()
	rep.Healed = append(rep.Healed, healed...)
	if err != nil {
		rep.Faults = append(rep.Faults, err.Error())
	}
}

// down takes the link down for a while.
func (t *torn) down(ctx context.Context, rep *PartitionReport) error {
	pause(ctx, time.Second)
	up, err := t.Down()
	if err != nil {
		return err
	}
	pause(ctx, t.Least+rand.N(t.Most-t.Least+1))
	up()
	took, err := t.everywhere(ctx, time.Now())
	rep.Raised = append(rep.Raised, took...)
	rep.Downs++
	return err
}

// kill ends the hub as a crash would, and starts it again.
func (t *torn) kill(ctx context.Context, rep *PartitionReport) (err error) {
	pause(ctx, 500*time.Millisecond+rand.N(time.Second))
	t.hub.Kill()
	hub, err := t.Hub.Serve(ctx, t.hub.Address)
	if err != nil {
		return err
	}
	t.hub = hub
	took, err := t.everywhere(ctx, time.Now())
	rep.Restarted = append(rep.Restarted, took...)
	rep.Kills++
	return err
}

// everywhere measures what it takes until every agent is served again.
func (t *torn) everywhere(ctx context.Context, from time.Time) (all Sample, err error) {
	for _, e := range t.ends {
		took, failed := e.since(ctx, from)
		all, err = append(all, took), errors.Join(err, failed)
	}
	return all, err
}
