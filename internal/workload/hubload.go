package workload

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"agentbridge/internal/bridge"
)

// crowd is a client of many agents at one hub that spends little itself, so that the hub is what is measured.
func crowd(hub *Hub, agents int) *rest {
	return &rest{hub: hub, http: &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: agents, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // that it is our hub is not the question here
	}}}
}

// HubLoad is what agents got done at a hub in a while.
type HubLoad struct {
	Agents, Calls  int
	Span           time.Duration
	Sent, Received int
	Faults         []string
}

// PerSecond is the calls a second.
func (l HubLoad) PerSecond() float64 { return float64(l.Calls) / l.Span.Seconds() }

// Converse has agents talk over HTTP as fast as they can for a while: each sends to its partner, then checks, and so on. At the end all
// that was sent must have come, once.
func Converse(ctx context.Context, p Program, agents int, span time.Duration) (load HubLoad, err error) {
	hub, err := p.Serve(ctx, Anywhere)
	if err != nil {
		return load, err
	}
	defer func() { err = errors.Join(err, hub.Stop()) }()
	tokens, err := manyTokens(p, agents)
	if err != nil {
		return load, err
	}
	r := crowd(hub, agents)
	defer r.http.CloseIdleConnections()
	for i := 0; i+1 < agents; i += 2 {
		var made bridge.CreateResult
		partner := []map[string]any{{"name": fmt.Sprint("partner-", i), "role": "partner"}}
		if err := r.ask(ctx, tokens[i], "create_conversation", map[string]any{"role": "lead", "partners": partner}, &made); err != nil {
			return load, err
		}
		if err := r.ask(ctx, tokens[i+1], "join_conversation", map[string]any{"code": made.Invites[0].Code}, &bridge.JoinResult{}); err != nil {
			return load, err
		}
	}
	var sent, received atomic.Int64
	take := func(token string) (n int, err error) {
		var res bridge.CheckResult
		err = r.ask(ctx, token, "check_messages", map[string]any{"limit": 50}, &res)
		for _, m := range res.Messages {
			if m.Redelivered {
				err = fmt.Errorf("%s came again", m.ID)
			}
		}
		received.Add(int64(len(res.Messages)))
		return len(res.Messages), err
	}
	load = converse(tokens, span, func(agent, n int) error {
		err := r.ask(ctx, tokens[agent], "send", map[string]any{"message": sentence, "key": fmt.Sprint(agent, "-", n)}, &bridge.SendResult{})
		if err == nil {
			sent.Add(1)
		}
		return err
	}, func(agent int) error { _, err := take(tokens[agent]); return err })
	for _, token := range tokens {
		for n := 1; n > 0 && err == nil; {
			n, err = take(token)
		}
	}
	load.Sent, load.Received = int(sent.Load()), int(received.Load())
	return load, err
}

// ConverseWith plays the same load against any server with tools of these names, without looking at what it answers.
func ConverseWith(ctx context.Context, hub *Hub, agents int, span time.Duration) HubLoad {
	r := crowd(hub, agents)
	defer r.http.CloseIdleConnections()
	return converse(make([]string, agents), span, func(agent, n int) error {
		return r.ask(ctx, "none", "send", map[string]any{"message": sentence, "key": fmt.Sprint(agent, "-", n)}, &struct{}{})
	}, func(int) error { return r.ask(ctx, "none", "check_messages", map[string]any{"limit": 50}, &struct{}{}) })
}

const sentence = "The parser accepts trailing commas now; see the test beside it."

func converse(tokens []string, span time.Duration, send func(agent, n int) error, check func(agent int) error) (load HubLoad) {
	var wg sync.WaitGroup
	var mu sync.Mutex // guards load
	start := time.Now()
	for agent := range tokens {
		wg.Go(func() {
			calls := 0
			var fault error
			for n := 0; time.Since(start) < span && fault == nil; n++ {
				if fault = send(agent, n); fault == nil {
					fault = check(agent)
				}
				calls += 2
			}
			mu.Lock()
			defer mu.Unlock()
			load.Calls += calls
			if fault != nil {
				load.Faults = append(load.Faults, fault.Error())
			}
		})
	}
	wg.Wait()
	load.Agents, load.Span = len(tokens), time.Since(start)
	return load
}

// WaitReport is what many agents that wait at once got.
type WaitReport struct {
	Agents, Messages int
	Took             Sample // from a broadcast's answer to its arrival at each
	RSS, PeakRSS     int64  // of the hub, in bytes: while all wait, and ever: they come, and are woken, all at once
	Lost, Doubled    int
	Faults           []string
}

// WaitTogether has many agents wait in check_messages at one hub at once; every 50 share a conversation, in which one speaks again and
// again. At listen the hub speaks TLS where that is no loopback address.
func WaitTogether(ctx context.Context, p Program, agents, rounds int, listen string) (rep WaitReport, err error) {
	hub, err := p.Serve(ctx, listen)
	if err != nil {
		return rep, err
	}
	defer func() { err = errors.Join(err, hub.Stop()) }()
	tokens, err := manyTokens(p, agents)
	if err != nil {
		return rep, err
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	r := crowd(hub, agents)
	if err := r.gather(ctx, tokens); err != nil {
		return rep, err
	}
	w := &waiters{rest: r, got: make([]map[int]int, agents), spoke: map[int]time.Time{}}
	var wg sync.WaitGroup
	for i, token := range tokens {
		if w.got[i] = map[int]int{}; i%roomSize != 0 {
			wg.Go(func() { w.wait(ctx, i, token) })
		}
	}
	for round := range rounds {
		pause(ctx, 5*time.Second)
		if round == 0 {
			pause(ctx, 20*time.Second) // what it takes to connect goes back to the system in its own time
			if rep.RSS, _, err = memoryOf(hub.PID()); err != nil {
				return rep, err
			}
		}
		if err := w.speak(ctx, tokens, round); err != nil {
			return rep, err
		}
	}
	pause(ctx, 5*time.Second)
	_, rep.PeakRSS, err = memoryOf(hub.PID())
	end()
	r.http.CloseIdleConnections()
	wg.Wait()
	rep.Agents, rep.Faults, rep.Took = agents, w.faults, w.took
	for i, got := range w.got {
		for round := range rounds {
			switch n := got[round]; {
			case i%roomSize == 0:
			case n == 0:
				rep.Lost++
			default:
				rep.Messages++
				rep.Doubled += n - 1
			}
		}
	}
	return rep, err
}

// waiters are agents that wait.
type waiters struct {
	*rest
	got []map[int]int // how often each agent got each round's message

	now   sync.Mutex        // guards spoke, took
	spoke map[int]time.Time // when a round's first broadcast began
	took  Sample
}

func (w *waiters) speak(ctx context.Context, tokens []string, round int) error {
	w.now.Lock()
	w.spoke[round] = time.Now()
	w.now.Unlock()
	for i := 0; i < len(tokens); i += roomSize {
		if err := w.ask(ctx, tokens[i], "send", map[string]any{"message": fmt.Sprint(round)}, &bridge.SendResult{}); err != nil {
			return err
		}
	}
	return nil
}

func (w *waiters) wait(ctx context.Context, agent int, token string) {
	for ctx.Err() == nil {
		var res bridge.CheckResult
		err := w.ask(ctx, token, "check_messages", map[string]any{"wait_seconds": 240}, &res)
		if err != nil {
			w.fault(ctx, err)
			return
		}
		w.now.Lock()
		for _, m := range res.Messages {
			var round int
			if _, err := fmt.Sscan(Unframed(m.Text), &round); err == nil {
				w.got[agent][round]++
				w.took = append(w.took, time.Since(w.spoke[round]))
			}
		}
		w.now.Unlock()
	}
}
