package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/postgres"
	"agentbridge/internal/redact"
	"agentbridge/internal/workload"
)

// pgHubArg makes this program a hub without a network: a Service on PostgreSQL that does what lines of JSON on stdin ask it to.
const pgHubArg = "serve-postgres-service"

// pair is a conversation of two agents, and their tokens.
type pgPair struct {
	Conversation bridge.ConversationID
	Alpha, Beta  string
}

// pgStart is the first line: which bridge.
type pgStart struct {
	DSN, Keys string
	Pairs     []pgPair
}

// pgOrder is any other line: which pairs talk, for how long, and how; and what the hub found.
type pgOrder struct {
	From, To int
	For      time.Duration
	Mix      bool    // the partner reads after each message
	Wake     bool    // the first pair's partner waits, woken from elsewhere
	Keep     bool    // go on whatever happens, sending again with the same key what nobody knows of
	Rate     float64 // messages a second, together and at random times; 0: each pair's next as soon as the last is answered
}

// pgFound is the answer to an order.
type pgFound struct {
	Rounds int
	Took   time.Duration
	CPU    time.Duration // of this process
	Each   workload.Sample
	Woken  []time.Time // when each wake-up was there
	Acked  []pgAck     // of an order to keep on
	Fault  string
}

// pgAck is a message that was confirmed.
type pgAck struct {
	Message bridge.MessageID
	At      time.Time
}

// pgConfig are limits whose budgets are looked at and charged as always, and never spent.
func pgConfig() bridge.Config {
	conf := bridge.Defaults()
	conf.Limits = bridge.Limits{Name: "bench", Budgets: [11]bridge.Budget{
		{Kind: bridge.Write, Of: bridge.EachMember, Windows: [3]bridge.Window{{Max: 100, Per: time.Microsecond}, {Max: 500, Per: 2 * time.Microsecond}, {Max: 2000, Per: 3 * time.Microsecond}}},
		{Kind: bridge.Read, Of: bridge.EachAgent, Windows: [3]bridge.Window{{Max: 600, Per: time.Microsecond}}},
	}}
	conf.InboxDepth, conf.ConversationTTL, conf.TokenTTL = 1_000_000, 24*time.Hour, 24*time.Hour
	return conf
}

func pgService(ctx context.Context, dsn string, keys *bridge.KeyRing) (*postgres.Store, *bridge.Service, error) {
	store, err := postgres.Open(ctx, dsn, postgres.Options{})
	if err != nil {
		return nil, nil, err
	}
	scanner, err := redact.New(redact.Options{})
	if err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	svc, err := bridge.New(ctx, store, bridge.Options{Config: pgConfig(), Keys: keys, Scanner: scanner, Dead: store.Dead})
	if err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	return store, svc, nil
}

// pgTalk is a pair as callers of a service.
type pgTalk struct {
	svc          *bridge.Service
	conversation bridge.ConversationID
	alpha, beta  bridge.Caller
	receipt      bridge.Receipt
}

func (p pgPair) at(ctx context.Context, svc *bridge.Service) (*pgTalk, error) {
	alpha, err1 := svc.Authenticate(ctx, p.Alpha, bridge.Origin{})
	beta, err2 := svc.Authenticate(ctx, p.Beta, bridge.Origin{})
	return &pgTalk{svc, p.Conversation, alpha, beta, ""}, errors.Join(err1, err2)
}

// round is one send, and one check where they are mixed.
func (t *pgTalk) round(ctx context.Context, mix bool) error {
	if _, err := t.svc.Send(ctx, t.alpha, bridge.SendRequest{Conversation: t.conversation, Message: text}); err != nil || !mix {
		return err
	}
	res, err := t.svc.Check(ctx, t.beta, bridge.CheckRequest{Conversation: t.conversation, Ack: t.receipt, Limit: 1})
	if err == nil && len(res.Messages) != 1 {
		err = fmt.Errorf("a check gave %d messages", len(res.Messages))
	}
	t.receipt = res.Receipt
	return err
}

func servePgHub() error {
	ctx := context.Background()
	in, out := json.NewDecoder(bufio.NewReader(os.Stdin)), json.NewEncoder(os.Stdout)
	var start pgStart
	if err := in.Decode(&start); err != nil {
		return err
	}
	keys, err := bridge.ParseKeyRing([]byte(start.Keys))
	if err != nil {
		return err
	}
	store, svc, err := pgService(ctx, start.DSN, keys)
	if err != nil {
		return err
	}
	defer store.Close()
	store.Instance()
	talks := make([]*pgTalk, len(start.Pairs))
	for i, p := range start.Pairs {
		if talks[i], err = p.at(ctx, svc); err != nil {
			return err
		}
	}
	for {
		var o pgOrder
		if err := in.Decode(&o); err != nil {
			return nil // nobody asks any more
		}
		var found pgFound
		switch {
		case o.Wake:
			found = talks[o.From].wait(ctx, o.For)
		case o.Keep:
			found = keepOn(ctx, talks[o.From:o.To], o)
		default:
			found = talkAll(ctx, talks[o.From:o.To], o)
		}
		if err := out.Encode(found); err != nil {
			return err
		}
	}
}

// talkAll has pairs talk at once, each as fast as it is answered.
func talkAll(ctx context.Context, talks []*pgTalk, o pgOrder) (found pgFound) {
	var mu sync.Mutex // guards found
	var wg sync.WaitGroup
	_, before, _, _ := stat(os.Getpid())
	start := time.Now()
	for _, t := range talks {
		wg.Go(func() {
			var each workload.Sample
			var err error
			next := start // of a rate: when the next message is due, also while the last is on its way
			for time.Since(start) < o.For && err == nil {
				if o.Rate > 0 {
					next = next.Add(time.Duration(rand.ExpFloat64() * float64(len(talks)) / o.Rate * float64(time.Second)))
					time.Sleep(time.Until(next))
				}
				err = each.Time(func() error { return t.round(ctx, o.Mix) })
			}
			mu.Lock()
			defer mu.Unlock()
			found.Rounds += len(each)
			found.Each = append(found.Each, each...)
			if err != nil {
				found.Fault = err.Error()
			}
		})
	}
	wg.Wait()
	found.Took = time.Since(start)
	_, after, _, _ := stat(os.Getpid())
	found.CPU = after - before
	return found
}

// wait has the partner wait again and again, and notes when it was woken.
func (t *pgTalk) wait(ctx context.Context, until time.Duration) (found pgFound) {
	for end := time.Now().Add(until); time.Now().Before(end); {
		res, err := t.svc.Check(ctx, t.beta, bridge.CheckRequest{Conversation: t.conversation, Ack: t.receipt, Wait: time.Until(end)})
		if err != nil {
			found.Fault = err.Error()
			return found
		}
		t.receipt = res.Receipt
		for range res.Messages {
			found.Woken = append(found.Woken, time.Now())
		}
	}
	return found
}

// keepOn has pairs talk through whatever happens to the server, as agents do.
func keepOn(ctx context.Context, talks []*pgTalk, o pgOrder) (found pgFound) {
	var mu sync.Mutex // guards found
	var wg sync.WaitGroup
	start := time.Now()
	for _, t := range talks {
		wg.Go(func() {
			var acked []pgAck
			var fault error
			for n := 0; time.Since(start) < o.For && fault == nil; {
				res, err := t.svc.Send(ctx, t.alpha, bridge.SendRequest{Conversation: t.conversation, Message: text, Key: fmt.Sprint("key ", n)})
				switch {
				case err == nil:
					acked = append(acked, pgAck{res.Message, time.Now()})
					n++
				case !errors.Is(err, bridge.Unavailable):
					fault = err
				default:
					time.Sleep(10 * time.Millisecond) // as a client would before it tries again
				}
			}
			mu.Lock()
			defer mu.Unlock()
			found.Acked = append(found.Acked, acked...)
			if fault != nil {
				found.Fault = fault.Error()
			}
		})
	}
	wg.Wait()
	return found
}
