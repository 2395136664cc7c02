package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"agentbridge/internal/workload"
)

const crowdSize = 30

// crowd has thirty processes write into one store: at a rate, beside one process alone at the same total rate; then all they can.
func (b *bench) crowd(ctx context.Context) error {
	span := time.Duration(b.some(60)) * time.Second
	alone, _, err := b.load(ctx, "alone", 1, 300, span)
	if err != nil {
		return err
	}
	many, counts, err := b.load(ctx, "crowd", crowdSize, 10, span)
	if err != nil {
		return err
	}
	sent := 0
	for _, n := range counts {
		sent += n
	}
	p50, p99 := alone.At(0.5), many.At(0.99)
	b.rows = append(b.rows, row{
		fmt.Sprintf("%d processes, 10 sends/s each, %s: p99", crowdSize, span),
		fmt.Sprintf("%s (p50 %s), %d sent, all delivered, no error; %.1f × the floor", ms(p99), ms(many.At(0.5)), sent, float64(p99)/float64(p50)),
		fmt.Sprintf("one process alone at 300/s: p50 %s (p99 %s)", ms(p50), ms(alone.At(0.99))), "≤ 10 × that p50", p99 <= 10*p50,
	})
	_, counts, err = b.load(ctx, "full", crowdSize, 0, time.Duration(b.some(10))*time.Second)
	if err != nil {
		return err
	}
	mean := 0.0
	for _, n := range counts {
		mean += float64(n) / float64(len(counts))
	}
	least := slices.Min(counts)
	b.rows = append(b.rows, row{
		fmt.Sprintf("%d processes at full speed: slowest", crowdSize), fmt.Sprintf("%d sends, %.2f × the mean of %.0f", least, float64(least)/mean, mean),
		"–", "≥ 0.5 × the mean", float64(least) >= 0.5*mean,
	})
	return nil
}

// load has n senders, each in a conversation with a reader of its own, send at a rate (0: as fast as they can) for a while, and
// checks that all of it arrives. It gives every send's duration, and how many each sender made.
func (b *bench) load(ctx context.Context, name string, n int, rate float64, span time.Duration) (all workload.Sample, counts []int, err error) {
	var players []*workload.Player
	defer func() {
		for _, p := range players {
			err = errors.Join(err, p.Leave())
		}
	}()
	sink, err := b.program.Play(ctx, name+"-reader")
	if err != nil {
		return nil, nil, err
	}
	players = append(players, sink)
	senders := make([]*workload.Player, n)
	for i := range senders {
		if senders[i], err = b.program.Play(ctx, fmt.Sprintf("%s-%d", name, i)); err != nil {
			return nil, nil, err
		}
		players = append(players, senders[i])
		if _, err := workload.Meet(ctx, senders[i], sink); err != nil {
			return nil, nil, err
		}
	}
	loading, stop := context.WithTimeout(ctx, span)
	defer stop()
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex // guards all, counts, fault
		fault error
	)
	counts = make([]int, n)
	for i, s := range senders {
		wg.Go(func() {
			sample, err := send(loading, ctx, s, rate, time.Duration(i)*time.Second/time.Duration(10*n))
			mu.Lock()
			defer mu.Unlock()
			all, counts[i], fault = append(all, sample...), len(sample), errors.Join(fault, err)
		})
	}
	arrived := make(chan int)
	go func() { arrived <- drain(ctx, loading, sink) }()
	wg.Wait()
	got := <-arrived
	if fault != nil {
		return nil, nil, fault
	}
	if got != len(all) {
		return nil, nil, fmt.Errorf("%s: %d sends were answered and %d messages arrived", name, len(all), got)
	}
	return all, counts, nil
}

// send sends until loading is over. At a rate, each send is due at its time, and its duration counts from when it was due: a
// slow answer must not hide the sends that it held up.
func send(loading, ctx context.Context, s *workload.Player, rate float64, offset time.Duration) (sample workload.Sample, err error) {
	start := time.Now().Add(offset)
	for i := 0; loading.Err() == nil; i++ {
		due := time.Now()
		if rate > 0 {
			due = start.Add(time.Duration(float64(i) / rate * float64(time.Second)))
			select {
			case <-time.After(time.Until(due)):
			case <-loading.Done():
				return sample, nil
			}
		}
		if _, err := s.Send(ctx, text, fmt.Sprint(s.Name, i)); err != nil {
			return sample, err
		}
		sample = append(sample, time.Since(due))
	}
	return sample, nil
}

// drain reads until the load is over and nothing more comes, and counts what came once.
func drain(ctx, loading context.Context, sink *workload.Player) int {
	seen := map[string]bool{}
	for {
		over := loading.Err() != nil
		res, err := sink.Check(ctx, 1)
		if err != nil {
			return -1
		}
		for _, m := range res.Messages {
			seen[string(m.Conversation)+string(m.ID)] = true
		}
		if over && len(res.Messages) == 0 {
			return len(seen)
		}
	}
}
