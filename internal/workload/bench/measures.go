package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"agentbridge/internal/workload"
)

// some is how many samples to take.
func (b *bench) some(n int) int {
	if b.quick {
		return max(1, n/10)
	}
	return n
}

// text is an ordinary message.
var text = strings.Repeat("The parser accepts trailing commas now; see the test beside it. ", 3)

// send compares a durable send over stdio with a no-op call of the same SDK and a commit of the same rows, in turns.
func (b *bench) send(ctx context.Context) error {
	alpha, beta, err := b.pair(ctx)
	if err != nil {
		return err
	}
	defer alpha.Leave()
	defer beta.Leave()
	if _, err := alpha.Send(ctx, text, ""); err != nil {
		return err
	}
	noop, err := b.playNoop(ctx)
	if err != nil {
		return err
	}
	defer noop.Leave()
	floor, err := openCommits(ctx, b.program.Data, "send", newMessage, newDelivery, newEntry)
	if err != nil {
		return err
	}
	defer floor.close()
	var send, call, commit workload.Sample
	const turn = 1
	for round := range b.some(1200) {
		for i := range turn {
			key := fmt.Sprint(round, "-", i)
			if err := send.Time(func() error { _, err := alpha.Send(ctx, text, key); return err }); err != nil {
				return err
			}
		}
		for range turn {
			if err := call.Time(func() error { _, err := noop.Send(ctx, text, "key"); return err }); err != nil {
				return err
			}
		}
		for range turn {
			if err := commit.Time(func() error { return floor.commit(ctx) }); err != nil {
				return err
			}
		}
		for more := true; more; { // beta reads, so that its inbox does not fill
			res, err := beta.Check(ctx, 0)
			if err != nil {
				return err
			}
			more = res.More
		}
	}
	base := call.At(0.5) + commit.At(0.5)
	ratio := float64(send.At(0.5)) / float64(base)
	b.rows = append(b.rows, row{
		"send over stdio, durable, p50", fmt.Sprintf("%s (p99 %s), %.2f × the floor", ms(send.At(0.5)), ms(send.At(0.99)), ratio),
		fmt.Sprintf("%s = no-op call %s + commit %s", ms(base), ms(call.At(0.5)), ms(commit.At(0.5))), "≤ 1.25 × the floor", ratio <= 1.25,
	})
	return nil
}

// pair starts two agents who talk.
func (b *bench) pair(ctx context.Context) (alpha, beta *workload.Player, err error) {
	if alpha, err = b.program.Play(ctx, "alpha"); err != nil {
		return nil, nil, err
	}
	if beta, err = b.program.Play(ctx, "beta"); err != nil {
		return nil, nil, err
	}
	_, err = workload.Meet(ctx, alpha, beta)
	return alpha, beta, err
}

// wake measures from the start of a send in one process to its text in the client of another that waits.
func (b *bench) wake(ctx context.Context) error {
	alpha, beta, err := b.pair(ctx)
	if err != nil {
		return err
	}
	defer alpha.Leave()
	defer beta.Leave()
	wake, err := wakes(ctx, alpha, beta, b.some(1000))
	if err != nil {
		return err
	}
	p50, p99 := wake.At(0.5), wake.At(0.99)
	b.rows = append(b.rows, row{
		"wake-up across processes", fmt.Sprintf("p50 %s, p99 %s", ms(p50), ms(p99)), "–", "p50 ≤ 2 ms, p99 ≤ 10 ms",
		p50 <= 2*time.Millisecond && p99 <= 10*time.Millisecond,
	})
	return nil
}

// wakes measures so many times.
func wakes(ctx context.Context, alpha, beta *workload.Player, n int) (wake workload.Sample, err error) {
	type woken struct {
		at  time.Time
		n   int
		err error
	}
	for { // what waits already is none of these
		if res, err := beta.Check(ctx, 0); err != nil || len(res.Messages) == 0 {
			if err != nil {
				return nil, err
			}
			break
		}
	}
	for i := range n {
		got := make(chan woken, 1)
		go func() {
			res, err := beta.Check(ctx, 30)
			got <- woken{time.Now(), len(res.Messages), err}
		}()
		time.Sleep(5 * time.Millisecond) // beta is waiting by now; what is measured begins below
		start := time.Now()
		if _, err := alpha.Send(ctx, text, strconv.Itoa(i)); err != nil {
			return nil, err
		}
		w := <-got
		if w.err != nil || w.n != 1 {
			return nil, fmt.Errorf("beta woke with %d messages: %w", w.n, w.err)
		}
		wake = append(wake, w.at.Sub(start))
	}
	return wake, nil
}

// start measures from the start of the process to its first tools/list, and the sizes that a user pays for.
func (b *bench) start(ctx context.Context) error {
	first, err := b.program.Play(ctx, "alpha") // makes the store: not what is measured
	if err != nil {
		return err
	}
	tools, err := first.Tools(ctx)
	if err != nil {
		return err
	}
	if err := first.Leave(); err != nil {
		return err
	}
	seen := 0 // what a model sees of the tools: names, descriptions, input schemas
	for _, t := range tools {
		shape, err := json.Marshal(map[string]any{"name": t.Name, "description": t.Description, "inputSchema": t.InputSchema})
		if err != nil {
			return err
		}
		seen += len(shape)
	}
	var up, noop workload.Sample
	listed := func(play func() (*workload.Player, error)) func() error {
		return func() error {
			p, err := play()
			if err != nil {
				return err
			}
			defer p.Kill() // ending is not what is measured
			_, err = p.Tools(ctx)
			return err
		}
	}
	for range b.some(40) {
		if err := up.Time(listed(func() (*workload.Player, error) { return b.program.Play(ctx, "alpha") })); err != nil {
			return err
		}
		if err := noop.Time(listed(func() (*workload.Player, error) { return b.playNoop(ctx) })); err != nil {
			return err
		}
	}
	info, err := os.Stat(b.program.Path)
	if err != nil {
		return err
	}
	p50 := up.At(0.5)
	b.rows = append(b.rows,
		row{"start to first tools/list, p50", ms(p50), "no-op server of the same SDK " + ms(noop.At(0.5)), "≤ 60 ms", p50 <= 60*time.Millisecond},
		row{"what a model sees of tools/list", fmt.Sprintf("%d bytes, %d tools", seen, len(tools)), "–", "≤ 6 KB", seen <= 6<<10},
		row{"size of the binary", fmt.Sprintf("%.1f MB", float64(info.Size())/1e6), "–", "≤ 30 MB", info.Size() <= 30e6},
	)
	return nil
}

// crash kills processes while they write, and has the clients' own record decide.
func (b *bench) crash(ctx context.Context) error {
	rep, err := workload.Crash(ctx, b.program, b.some(100))
	if err != nil {
		return err
	}
	for _, list := range [][]string{rep.Lost, rep.Doubled, rep.Faults} {
		for _, what := range list {
			fmt.Fprintln(os.Stderr, "crash:", what)
		}
	}
	b.rows = append(b.rows, row{
		"kill -9 of a writing process",
		fmt.Sprintf("%d kills, %d sends acknowledged: %d lost, %d back after their ack, %d other faults (%d unknown sent again, %d redelivered marked)",
			rep.Kills, rep.Acknowledged, len(rep.Lost), len(rep.Doubled), len(rep.Faults), rep.Unknown, rep.Redelivered),
		"–", "0 lost, 0 back, log verifies", len(rep.Lost)+len(rep.Doubled)+len(rep.Faults) == 0,
	})
	return nil
}
