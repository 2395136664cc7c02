package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/workload"
)

// What the defaults say, and so how long nobody can know better.
const (
	sweepEvery  = 5 * time.Second
	silentAfter = 45 * time.Second
)

// reclaim kills local workers that hold a task while a colleague waits for work, at the defaults. Each pair has a store of its own, so
// nobody else sweeps there.
func (b *bench) reclaim(ctx context.Context) error {
	took, err := together(10, func(i int) (time.Duration, error) {
		p := b.plain()
		p.Data = filepath.Join(p.Data, fmt.Sprint(i))
		return b.bereave(ctx, p.Play, func(ctx context.Context, name, code string) (victim, error) {
			w, err := p.Play(ctx, name)
			if err != nil {
				return nil, err
			}
			_, err = takeTask(ctx, w, code)
			return w.Kill, err
		})
	})
	if err != nil {
		return err
	}
	b.rows = append(b.rows, row{
		"SIGKILL of a local worker → its task claimed by a waiting colleague", spread(took),
		fmt.Sprintf("sweep_every %s", sweepEvery), "≤ 6 s", took.At(1) <= 6*time.Second,
	})
	return nil
}

// remote does the same to workers over HTTP, whose death shows only in that nothing is heard of them. All are in one hub.
func (b *bench) remote(ctx context.Context) error {
	p := b.plain()
	hub, err := p.Serve(ctx, workload.Anywhere)
	if err != nil {
		return err
	}
	defer hub.Stop()
	took, err := together(3, func(i int) (time.Duration, error) {
		play := func(ctx context.Context, name string) (*workload.Player, error) {
			token, err := p.Token(fmt.Sprint(name, i))
			if err != nil {
				return nil, err
			}
			return hub.Play(ctx, name, token)
		}
		return b.bereave(ctx, play, func(ctx context.Context, name, code string) (victim, error) {
			token, err := p.Token(fmt.Sprint(name, i))
			if err != nil {
				return nil, err
			}
			return startRemote(hub, token, code)
		})
	})
	if err != nil {
		return err
	}
	b.rows = append(b.rows, row{
		"SIGKILL of a remote worker (HTTP) → its task claimed by a waiting colleague", spread(took),
		fmt.Sprintf("silent_after %s + sweep_every %s", silentAfter, sweepEvery), "≤ 50 s", took.At(1) <= 50*time.Second,
	})
	return nil
}

// plain is the program at its defaults.
func (b *bench) plain() workload.Program {
	p := b.program
	p.Env = []string{"AGENTBRIDGE_LOG=error"}
	return p
}

// together measures n times at once.
func together(n int, measure func(i int) (time.Duration, error)) (workload.Sample, error) {
	took, faults := make(workload.Sample, n), make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { took[i], faults[i] = measure(i) })
	}
	wg.Wait()
	return took, errors.Join(faults...)
}

func spread(s workload.Sample) string {
	return fmt.Sprintf("median %.1f s, most %.1f s, %d repeats", s.At(0.5).Seconds(), s.At(1).Seconds(), len(s))
}

// victim kills a worker that holds a task.
type victim func()

// bereave has a worker that holds a task killed while a colleague waits, and gives the time until that one has the task.
func (b *bench) bereave(ctx context.Context, play func(context.Context, string) (*workload.Player, error), hire func(ctx context.Context, name, code string) (victim, error)) (time.Duration, error) {
	colleague, err := play(ctx, "colleague")
	if err != nil {
		return 0, err
	}
	defer colleague.Leave()
	var made bridge.CreateResult
	err = colleague.Call(ctx, "create_conversation", map[string]any{"role": "waits", "partners": []any{map[string]any{"name": "victim", "role": "works"}}}, &made)
	if err != nil {
		return 0, err
	}
	added, err := colleague.AddTask(ctx, bridge.AddTaskRequest{Title: "what somebody dies over"})
	if err != nil {
		return 0, err
	}
	kill, err := hire(ctx, "victim", made.Invites[0].Code)
	if err != nil {
		return 0, err
	}
	type got struct {
		bridge.ClaimTaskResult
		at  time.Time
		err error
	}
	waiting := make(chan got, 1)
	go func() {
		res, err := colleague.ClaimTask(ctx, bridge.ClaimTaskRequest{Wait: 2 * time.Minute})
		waiting <- got{res, time.Now(), err}
	}()
	// At any moment between two sweeps and two heartbeats, and while the colleague waits.
	time.Sleep(500*time.Millisecond + rand.N(sweepEvery))
	killed := time.Now()
	kill()
	g := <-waiting
	if g.err != nil {
		return 0, g.err
	}
	if g.Task == nil || g.Task.ID != added.Task {
		return 0, errors.New("the colleague did not get the task")
	}
	return g.at.Sub(killed), nil
}

// takeTask joins and claims what there is.
func takeTask(ctx context.Context, w *workload.Player, code string) (bridge.ClaimTaskResult, error) {
	if err := w.Call(ctx, "join_conversation", map[string]any{"code": code}, &bridge.JoinResult{}); err != nil {
		return bridge.ClaimTaskResult{}, err
	}
	res, err := w.ClaimTask(ctx, bridge.ClaimTaskRequest{})
	return res, errors.Join(err, errNothing(res))
}

// remoteArg makes this program a worker over HTTP: it takes a task, says so, and then waits for messages, as a model does that has
// handed out what it was asked for, until it is killed.
const remoteArg = "work-remotely"

// remoteWorker is who that worker is; it comes on stdin, because a token has no place among arguments.
type remoteWorker struct{ Address, Token, Code string }

func startRemote(hub *workload.Hub, token, code string) (victim, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, remoteArg)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	kill := func() { cmd.Process.Kill(); cmd.Wait() }
	var took bridge.ClaimTaskResult
	err = errors.Join(json.NewEncoder(in).Encode(remoteWorker{hub.Address, token, code}), json.NewDecoder(out).Decode(&took))
	if err != nil {
		kill()
		return nil, fmt.Errorf("start a remote worker: %w", err)
	}
	return kill, nil
}

func workRemotely() error {
	ctx := context.Background()
	var me remoteWorker
	if err := json.NewDecoder(os.Stdin).Decode(&me); err != nil {
		return err
	}
	w, err := (&workload.Hub{Address: me.Address}).Play(ctx, "victim", me.Token)
	if err != nil {
		return err
	}
	took, err := takeTask(ctx, w, me.Code)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(took); err != nil {
		return err
	}
	for {
		if _, err := w.Check(ctx, 240); err != nil {
			return err
		}
	}
}
