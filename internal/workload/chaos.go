package workload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"agentbridge/internal/bridge"
)

// ChaosOptions say what [Chaos] plays and what befalls it.
type ChaosOptions struct {
	Writers, Readers int           // of messages, each with a process of its own; no readers: no messages are played
	Pause            time.Duration // between two messages of a writer, at most
	Tasks, Workers   int           // of the team that works beside them; no tasks: none does
	Watchdogs        int
	Hub              bool          // a hub has the store, and all agents are at it; otherwise their processes have it themselves
	Agents           string        // with a hub: the agents' data directory
	Kills            int           // SIGKILLs of processes of every kind, those of the team's workers among them
	Every            time.Duration // between two of them, at most; 0: 60 ms
	For              time.Duration // it lasts at least so long
	Sends            int           // and until so many sends were answered
	Within           time.Duration // nobody is killed later; 0: until all kills are done
	// Fate gives further environment to each process of a client, so that a build with failpoints dies by itself; nil: none.
	Fate func() []string
	// Trouble happens once, while all of them work; nil: nothing does. What it gives to still is done while no client's process lives:
	// they get SIGKILL before it, and are started again after it.
	Trouble  func(ctx context.Context, still func(func() error) error) error
	Progress func(kills int) // told now and then; nil: nobody is
}

// ChaosReport is what came of it. Violations is empty where every promise held.
type ChaosReport struct {
	Kills                map[string]int // SIGKILLs, by the kind of process
	Fell                 int            // processes that a failpoint killed
	Sent, Refused, Tries int            // sends that were answered, that were refused as they should be, and calls for them
	Read, Redelivered    int            // messages that arrived, and came again before they were acked, marked
	Done                 int            // tasks that ended
	Entries              int            // in the exported logs
	Took                 time.Duration
	Violations           []Violation
}

// Violation is a promise that was broken.
type Violation struct {
	Kind string // one of those below
	What string
}

// The kinds of violations.
const (
	Lost         = "acknowledged and lost"
	Doubled      = "again after its ack, or twice"
	TwoHolders   = "a task with two holders"
	NoEntry      = "effect without entry"
	EntryAlone   = "entry without effect"
	BrokenLog    = "broken log"
	OutOfOrder   = "out of order"
	NotWoken     = "not woken"
	NoOrderKnown = "no order explains it"
	Misbehaved   = "not as promised"
)

// Chaos lets agents send, read and work while processes of every kind get SIGKILL and worse. All that the agents know is in their own
// record. When it is over the logs are exported as tiles, and the checker decides from the record and the tiles alone.
func Chaos(ctx context.Context, p Program, o ChaosOptions, out string) (rep ChaosReport, err error) {
	if o.Every == 0 {
		o.Every = 60 * time.Millisecond
	}
	p.Env = append(slices.Clone(p.Env), teamSettings(chaosLease)...)
	began := time.Now()
	h := newHistory(chaosLease)
	h.gaps = true
	c := &chaos{p: p, agents: p, o: o, history: h, record: newTestimony(h), kills: map[string]int{}}
	c.record.local = !o.Hub
	defer c.end()
	if err := c.gather(ctx); err != nil {
		return rep, err
	}
	if err := c.play(ctx); err != nil {
		return rep, err
	}
	c.end()
	rep.Kills, rep.Fell = c.kills, int(c.fell.Load())
	if c.team != nil {
		rep.Kills["worker"] += int(c.team.kills.Load())
		c.faults = append(c.faults, c.team.faults...)
	}
	if fault := p.exportTiles(out); fault != "" {
		rep.Violations = append(rep.Violations, Violation{BrokenLog, fault})
	}
	rep.Took = time.Since(began)
	return rep, c.judge(out, &rep)
}

// chaosLease is the lease of every task, short so that one that hangs is taken back in time.
const chaosLease = 3 * time.Second

// chaos is one run.
type chaos struct {
	p, agents Program
	o         ChaosOptions
	history   *history
	record    *testimony
	clients   []*client
	team      *team
	tasks     []bridge.TaskView // as they stood at the end
	fell      atomic.Int64
	held      atomic.Bool // no process is to be started
	ended     sync.Once

	mu     sync.Mutex // guards all below
	faults []string
	kills  map[string]int
	hub    *Hub
	dogs   []*dog
}

func (c *chaos) now() moment { return c.history.now() }

func (c *chaos) fault(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, fmt.Sprintf(format, args...))
}

// gather starts the hub, if there is one, and brings the agents into a conversation. Nothing befalls them yet.
func (c *chaos) gather(ctx context.Context) (err error) {
	if c.o.Hub {
		if c.hub, err = c.p.Serve(ctx, Anywhere); err != nil {
			return err
		}
		c.agents = c.p.Afar(c.hub, c.o.Agents)
	}
	if c.o.Tasks > 0 {
		if err := c.hire(); err != nil {
			return err
		}
	}
	if c.o.Readers > 0 {
		if err := c.meet(ctx); err != nil {
			return err
		}
	}
	for range c.o.Watchdogs {
		d := &dog{p: c.p}
		if err := d.start(); err != nil {
			return err
		}
		c.dogs = append(c.dogs, d)
	}
	return nil
}

// meet starts the writers and readers.
func (c *chaos) meet(ctx context.Context) (err error) {
	var players []*Player
	for i := range c.o.Writers + c.o.Readers {
		name := fmt.Sprintf("writer-%02d", i+1)
		if i >= c.o.Writers {
			name = fmt.Sprintf("reader-%02d", i-c.o.Writers+1)
			c.record.readers = append(c.record.readers, name)
		}
		if err := c.settle(name); err != nil {
			return err
		}
		k := &client{c: c, p: c.agents, name: name, odds: rand.New(rand.NewPCG(uint64(i), 17))}
		c.clients = append(c.clients, k)
		if err := k.rise(ctx); err != nil {
			return err
		}
		players = append(players, k.player)
	}
	c.record.id, err = Meet(ctx, players[0], players[1:]...)
	for _, k := range c.clients { // their fates are those of the next processes
		if k.p.Fate = c.o.Fate; c.o.Fate != nil {
			k.bury(true)
		}
	}
	return err
}

// settle gives an agent of a hub its token.
func (c *chaos) settle(name string) error {
	if !c.o.Hub {
		return nil
	}
	token, err := c.p.Token(name)
	if err != nil {
		return err
	}
	return c.agents.Settle(name, token)
}

// hire makes the team. Its workers' processes are killed by the team itself.
func (c *chaos) hire() error {
	c.team = newTeam(c.agents, TeamOptions{Tasks: c.o.Tasks, Workers: c.o.Workers, Kills: c.teamKills(), Hangs: c.o.Kills / 60, Lease: chaosLease, Mortal: true, Fate: c.o.Fate})
	c.team.history = c.history
	for i := range c.o.Workers {
		if err := c.settle(workerName(i)); err != nil {
			return err
		}
	}
	return c.settle(leadName)
}

// teamKills is how many of the kills are the team's workers'.
func (c *chaos) teamKills() int {
	if c.o.Readers == 0 {
		return c.o.Kills
	}
	return c.o.Kills / 4
}

// play lasts until everything that was to happen did, and all that was sent is read.
func (c *chaos) play(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	quiet, hush := context.WithCancel(ctx) // ends: writers stop
	defer hush()
	over, finish := context.WithCancel(ctx) // ends: readers stop once nothing comes any more
	defer finish()
	var writers, readers, acts sync.WaitGroup
	must := func(wg *sync.WaitGroup, what string, fn func() error) {
		wg.Go(func() {
			if err := fn(); err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("%s: %w", what, err))
			}
		})
	}
	for i, k := range c.clients {
		if i < c.o.Writers {
			must(&writers, k.name, func() error { return k.write(ctx, quiet) })
		} else {
			must(&readers, k.name, func() error { return k.read(ctx, over) })
		}
	}
	must(&acts, "the killer", func() error { return c.strike(ctx) })
	if c.o.Trouble != nil {
		must(&acts, "the trouble", func() error { return c.o.Trouble(ctx, func(fn func() error) error { return c.still(ctx, fn) }) })
	}
	if c.team != nil {
		must(&acts, "the team", func() error {
			return c.team.play(ctx, func() (err error) {
				c.tasks, err = c.team.lead.AllTasks(ctx, c.team.id)
				return err
			})
		})
	}
	pause(ctx, c.o.For)
	for c.record.answered() < c.o.Sends && ctx.Err() == nil {
		pause(ctx, 20*time.Millisecond)
	}
	acts.Wait()
	hush()
	writers.Wait()
	finish()
	readers.Wait()
	return context.Cause(ctx)
}

// end ends what still runs.
func (c *chaos) end() {
	c.ended.Do(func() {
		for _, k := range c.clients {
			k.bury(true)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, d := range c.dogs {
			d.kill()
		}
		if c.hub != nil {
			c.hub.Kill()
		}
	})
}

// strike kills processes, one after another, at random: clients mostly, and the hub and the watchdogs.
func (c *chaos) strike(ctx context.Context) error {
	odds := rand.New(rand.NewPCG(uint64(c.o.Kills), 23))
	began := time.Now()
	own := c.o.Kills
	if c.team != nil {
		own -= c.teamKills()
	}
	for n := 0; n < own && ctx.Err() == nil && (c.o.Within == 0 || time.Since(began) < c.o.Within); {
		pause(ctx, time.Duration(odds.Int64N(int64(c.o.Every))))
		kind, err := c.kill(ctx, odds)
		if err != nil {
			return err
		}
		if kind == "" {
			continue
		}
		n++
		c.mu.Lock()
		c.kills[kind]++
		c.mu.Unlock()
		if c.o.Progress != nil {
			c.o.Progress(n)
		}
	}
	return nil
}

// kill kills one process and tells of which kind; empty: there was none that lived.
func (c *chaos) kill(ctx context.Context, odds *rand.Rand) (kind string, err error) {
	switch roll := odds.IntN(10); {
	case roll == 0 && c.hub != nil:
		c.hub.Kill()
		c.hub, err = c.p.Serve(ctx, c.hub.Address)
		return "hub", err
	case roll < 3 && len(c.dogs) > 0:
		d := c.dogs[odds.IntN(len(c.dogs))]
		d.kill()
		return "watchdog", d.start()
	case len(c.clients) == 0:
		return "", nil
	default:
		k := c.clients[odds.IntN(len(c.clients))]
		if !k.kill() {
			return "", nil
		}
		return k.name[:len("writer")], nil
	}
}

// still does something while no client's process lives.
func (c *chaos) still(ctx context.Context, fn func() error) error {
	c.held.Store(true)
	defer c.held.Store(false)
	for lives := true; lives && ctx.Err() == nil; pause(ctx, 10*time.Millisecond) {
		lives = false
		for _, k := range c.clients {
			k.kill()
			lives = lives || k.lives()
		}
	}
	return fn()
}

// judge has the checker decide.
func (c *chaos) judge(out string, rep *ChaosReport) error {
	for _, fault := range c.faults {
		rep.Violations = append(rep.Violations, Violation{Misbehaved, fault})
	}
	all, faults, err := readTiles(filepath.Clean(out))
	if err != nil && len(rep.Violations) == 0 {
		return err
	}
	for _, fault := range faults {
		rep.Violations = append(rep.Violations, Violation{BrokenLog, fault})
	}
	k := &checker{tiles: all, rep: rep}
	if c.o.Readers > 0 {
		k.messages(c.record)
	}
	if c.team != nil {
		k.tasks(c.team, c.tasks)
	}
	return nil
}
