package workload

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"agentbridge/internal/bridge"
)

// client is an agent whose process may die at any time, and is started again.
type client struct {
	c    *chaos
	p    Program
	name string
	odds *rand.Rand // only its own goroutine's, and so is heard
	// heard is when its process answered last, so it lived then.
	heard moment

	mu      sync.Mutex // guards all below
	player  *Player
	process int
	rising  bool   // one is being started
	killed  moment // when its process got SIGKILL; 0: it did not
}

// kill ends the client's process, whatever it is doing. It reports whether there was one that lived.
func (k *client) kill() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.player == nil || k.killed != 0 {
		return false
	}
	k.killed = max(1, k.c.now())
	k.player.process.Process.Kill()
	return true
}

// bury waits for the end of a process that is dead or dying, or ends one that lives where all is over for it.
func (k *client) bury(over bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.player == nil {
		return
	}
	began := k.killed
	if began == 0 {
		began = k.heard
		if !over {
			k.c.fell.Add(1) // by a failpoint
		}
	}
	k.player.Kill()
	end := k.c.now()
	k.c.record.note(func() { k.c.record.deaths = append(k.c.record.deaths, died{k.name, k.process, began, end}) })
	k.player, k.killed = nil, 0
}

// respite is how long a client waits before it asks again what it got no answer to. Each try that nobody knows the end of has to be thought
// about in all the ways in which it could have ended.
const respite = 100 * time.Millisecond

// lives reports whether there is a process that was not waited for.
func (k *client) lives() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.player != nil || k.rising
}

// rise starts a process. Where that fails, as it does while a disk is full or a hub is away, it is tried again for a while.
func (k *client) rise(ctx context.Context) error {
	for deadline := time.Now().Add(startPatience); ; pause(ctx, 50*time.Millisecond) {
		if !k.mayRise() {
			continue
		}
		player, err := k.p.Play(ctx, k.name)
		k.mu.Lock()
		k.rising = false
		if err == nil {
			defer k.mu.Unlock()
			k.player, k.heard = player, k.c.now()
			k.process++
			return nil
		}
		k.mu.Unlock()
		if ctx.Err() != nil || time.Now().After(deadline) {
			return err
		}
	}
}

// mayRise begins to start a process, unless none is to be started now.
func (k *client) mayRise() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.rising = !k.c.held.Load()
	return k.rising
}

// startPatience is how long a process may fail to start.
const startPatience = 40 * time.Second

// call lets the process do something and tells how that ended and which process it was. Without a process it starts one first.
func (k *client) call(ctx context.Context, fn func(*Player) error) (process int, call, answer moment, how outcome, err error) {
	k.mu.Lock()
	player := k.player
	k.mu.Unlock()
	if player == nil {
		if err := k.rise(ctx); err != nil {
			return 0, 0, 0, unknown, err
		}
		player = k.player // only this goroutine sets it
	}
	process, call = k.process, k.c.now()
	err = fn(player)
	answer, how = k.c.now(), outcomeOf(err)
	if refusal, ok := errors.AsType[*bridge.Error](err); err == nil || ok {
		k.heard = call
		if how != done && how != unknown {
			return process, call, answer, how, refusal
		}
		return process, call, answer, how, nil
	}
	k.bury(false)
	return process, call, k.c.now(), unknown, nil
}

// write sends messages until quiet ends, each until it is known what became of it.
func (k *client) write(ctx, quiet context.Context) error {
	defer k.bury(true)
	for n := 0; quiet.Err() == nil; n++ {
		if err := k.send(ctx, n); err != nil {
			return err
		}
		pause(quiet, rand.N(k.c.o.Pause+1))
	}
	return nil
}

// send sends one message to some of the readers, under its own key; and now and then one that must be refused.
func (k *client) send(ctx context.Context, n int) error {
	to := slices.Clone(k.c.record.readers)
	k.odds.Shuffle(len(to), func(i, j int) { to[i], to[j] = to[j], to[i] })
	to = to[:1+k.odds.IntN(len(to))]
	if k.odds.IntN(8) == 0 {
		to = []string{"nobody-of-this-name"}
	}
	s := &sent{from: k.name, key: fmt.Sprint(k.name, "-", n), text: fmt.Sprint(k.name, " says ", n), call: k.c.now(), how: unknown}
	k.c.record.note(func() { k.c.record.sends[s.key] = s })
	for s.how == unknown && ctx.Err() == nil {
		var res bridge.SendResult
		_, _, answer, how, err := k.call(ctx, func(p *Player) error {
			return p.Call(ctx, "send", map[string]any{"conversation_id": k.c.record.id, "message": s.text, "key": s.key, "to": to}, &res)
		})
		if how == unknown && err != nil {
			return err // it does not start any more
		}
		k.c.record.note(func() {
			s.answer, s.how, s.id, s.seq, s.to = answer, how, res.Message, res.Seq, res.To
			s.tries++
		})
		if how == outcome(bridge.RateLimited) { // an inbox is full
			pause(ctx, 200*time.Millisecond)
		} else if how != done && how != unknown && how != outcome(bridge.NotFound) {
			k.c.fault("%s: %v", s.key, err)
		}
		if how == unknown {
			pause(ctx, respite)
		}
	}
	return nil
}

// read takes what comes until nothing did for a while after over ends.
func (k *client) read(ctx, over context.Context) error {
	defer k.bury(true)
	var ack bridge.Receipt // of the newest batch, until its ack is answered
	for empty := 0; empty < 3 && ctx.Err() == nil; {
		c := checked{by: k.name, ack: ack, limit: 1 + k.odds.IntN(50), wait: over.Err() == nil && k.odds.IntN(3) > 0}
		var res bridge.CheckResult
		var err error
		c.process, c.call, c.answer, c.how, err = k.call(ctx, func(p *Player) error {
			a := arguments{"limit": c.limit, "ack": "none"}
			put(a, "ack", c.ack)
			if c.wait {
				a["wait_seconds"] = waitSeconds
			}
			return p.Call(ctx, "check_messages", a, &res)
		})
		if c.how == unknown && err != nil {
			return err
		}
		c.receipt, c.got = res.Receipt, res.Messages
		k.c.record.note(func() { k.c.record.checks = append(k.c.record.checks, c) })
		switch {
		case c.how == done:
			ack = c.receipt
		case c.how == outcome(bridge.LeaseLost): // it went to the next process meanwhile
			ack = ""
		case c.how != unknown:
			k.c.fault("%s: %v", k.name, err)
		}
		if c.how == done && len(c.got) == 0 && over.Err() != nil {
			empty++
		} else {
			empty = 0
		}
		if c.how == unknown {
			pause(ctx, respite)
			if k.odds.IntN(2) == 0 { // as one does that forgot with its process what it had: it must come again
				ack = ""
			}
		}
	}
	return nil
}

// waitSeconds is how long a reader waits for messages. It is longer than [noticed], so that one that slept on is found.
const waitSeconds = 5
