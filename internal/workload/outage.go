package workload

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"agentbridge/internal/bridge"
)

// Afar is the program on another machine, whose agents are at the hub: its data directory holds their tokens and nothing else.
func (p Program) Afar(h *Hub, data string) Program {
	p.Data, p.Server = data, h.URL("/mcp")
	return p
}

// Settle puts an agent's token where the program looks for it.
func (p Program) Settle(name, token string) error {
	dir := filepath.Join(p.Data, "agents")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name+".token"), []byte(token+"\n"), 0o600)
}

// OutageReport is what [Outage] saw. Lost, Doubled and Faults are empty where every promise held.
type OutageReport struct {
	Kills        int
	Acknowledged int      // sends that were answered
	Refused      int      // sends that said that nothing was sent
	Unknown      int      // sends that said that nobody knows; sent again with the key that they named
	Redelivered  int      // messages that came again before they were acked, marked
	Resumed      Sample   // from the hub's listening again to the next message that arrived
	Lost         []string // acknowledged and never delivered
	Doubled      []string // came back after an ack
	Faults       []string // what else was not as promised
}

// Outage kills a hub again and again with SIGKILL, while two agents of another machine talk through it, in sessions that go on all the
// time. Away is how long the hub is away at most. The clients' own record decides.
func Outage(ctx context.Context, p Program, data string, kills int, away time.Duration) (rep OutageReport, err error) {
	hub, err := p.Serve(ctx, Anywhere)
	if err != nil {
		return rep, err
	}
	defer func() { hub.Kill() }()
	far := p.Afar(hub, data)
	var players []*Player
	for _, name := range []string{"alpha", "beta"} {
		token, err := p.Token(name)
		if err != nil {
			return rep, err
		}
		if err := far.Settle(name, token); err != nil {
			return rep, err
		}
		player, err := far.Play(ctx, name)
		if err != nil {
			return rep, err
		}
		defer player.Kill()
		players = append(players, player)
	}
	alpha, beta := players[0], players[1]
	if _, err := Meet(ctx, alpha, beta); err != nil {
		return rep, err
	}

	w := writer{alpha: alpha, sent: map[string]bool{}}
	r := reader{p: p, beta: beta, got: map[string]int{}, acked: map[string]bool{}}
	var wg sync.WaitGroup
	var over atomic.Bool
	var arrived atomic.Int64 // when the newest message did, in nanoseconds
	var reading error
	wg.Go(func() {
		for !over.Load() {
			w.write(ctx)
		}
	})
	wg.Go(func() {
		for quiet := false; !over.Load() || !quiet; {
			res, err := beta.Check(ctx, 3)
			if errors.Is(err, bridge.Unavailable) {
				continue
			}
			if err != nil {
				reading = err
				return
			}
			for _, text := range r.last {
				r.acked[text] = true
			}
			r.last = r.note(res)
			if quiet = len(r.last) == 0; !quiet {
				arrived.Store(time.Now().UnixNano())
			}
		}
	})
	for rep.Kills < kills && err == nil {
		time.Sleep(time.Duration(rand.IntN(400)) * time.Millisecond)
		hub.Kill()
		rep.Kills++
		time.Sleep(rand.N(away))
		var next *Hub
		if next, err = p.Serve(ctx, hub.Address); err != nil {
			break
		}
		hub = next
		back := time.Now()
		for limit := back.Add(20 * time.Second); arrived.Load() < back.UnixNano() && time.Now().Before(limit); {
			time.Sleep(time.Millisecond)
		}
		rep.Resumed = append(rep.Resumed, time.Since(back))
	}
	over.Store(true)
	wg.Wait()
	if err = errors.Join(err, reading); err != nil {
		return rep, err
	}
	rep.Acknowledged, rep.Refused, rep.Unknown, rep.Faults = len(w.sent), w.refused, w.unknown, w.faults
	rep.Redelivered, rep.Doubled = r.redelivered, r.doubled
	rep.Faults = append(rep.Faults, r.faults...)
	for text := range w.sent {
		if r.got[text] == 0 {
			rep.Lost = append(rep.Lost, text)
		}
	}
	for text := range r.got {
		if !w.sent[text] {
			rep.Faults = append(rep.Faults, fmt.Sprintf("message %s was refused, and arrived", text))
		}
	}
	faults, err := p.verify()
	rep.Faults = append(rep.Faults, faults...)
	return rep, err
}

// writer is the sending client and its record.
type writer struct {
	alpha            *Player
	next             int
	sent             map[string]bool
	refused, unknown int
	faults           []string
}

// write sends one message, until it is known what became of it. It names no key of its own.
func (w *writer) write(ctx context.Context) {
	text := strconv.Itoa(w.next)
	w.next++
	for key := ""; ctx.Err() == nil; {
		_, err := w.alpha.Send(ctx, text, key)
		refusal, ok := errors.AsType[*bridge.Error](err)
		switch {
		case err == nil:
			w.sent[text] = true
			return
		case !ok || refusal.Code != bridge.Unavailable:
			w.faults = append(w.faults, fmt.Sprintf("message %s: %v", text, err))
			return
		case strings.Contains(refusal.Hint, "nothing was sent") && key == "":
			w.refused++
			return
		}
		if _, rest, ok := strings.Cut(refusal.Hint, `with key "`); ok {
			key, _, _ = strings.Cut(rest, `"`)
		}
		w.unknown++
	}
}
