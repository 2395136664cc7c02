package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"agentbridge/internal/bridge"
	"agentbridge/internal/workload"
)

// cell is one way to run: how agents connect, where the store is, and how many agents there are. With one, two talk, one call at a time.
type cell struct {
	transport, engine string
	agents            int
}

// matrix has agents of every transport, engine and number send, check, claim, complete and wake, beside as many who call a tool that does nothing.
func (b *bench) matrix(ctx context.Context) (err error) {
	servers, err := startPg(ctx, `"$AGENTBRIDGE_TEST_POSTGRES"`)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, servers.stop()) }()
	for _, engine := range []string{"SQLite", "PostgreSQL"} {
		for _, transport := range []string{"stdio", "HTTP"} {
			for _, agents := range []int{1, 10, 100} {
				c := cell{transport, engine, agents}
				if c == (cell{"stdio", "PostgreSQL", 100}) {
					continue // each process has some connections of its own, and the server has not so many
				}
				if err := b.cell(ctx, c, servers.said[0]); err != nil {
					return fmt.Errorf("%s, %s, %d agents: %w", transport, engine, agents, err)
				}
			}
		}
	}
	return nil
}

func (b *bench) cell(ctx context.Context, c cell, server string) (err error) {
	program := b.program
	program.Data = filepath.Join(b.program.Data, fmt.Sprint(c.engine, c.transport, c.agents))
	if err := os.Mkdir(program.Data, 0o700); err != nil {
		return err
	}
	if c.engine == "PostgreSQL" {
		schema := "matrix_" + strings.ToLower(rand.Text()[:10])
		dsn, err := pgWith(server, "search_path", schema)
		if err != nil {
			return err
		}
		defer func() {
			err = errors.Join(err, pgAdmin(context.WithoutCancel(ctx), server, "DROP SCHEMA IF EXISTS "+schema+" CASCADE"))
		}()
		program.Env = append(slices.Clone(program.Env), "AGENTBRIDGE_STORE="+dsn)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	ours, leave, err := c.play(ctx, program, "", max(2, c.agents))
	defer func() { err = errors.Join(err, leave()) }()
	if err != nil {
		return err
	}
	for i := 0; i < len(ours); i += 2 {
		if _, err := workload.Meet(ctx, ours[i], ours[i+1]); err != nil {
			return err
		}
	}
	noops, leaveNoops, err := c.play(ctx, program, self, c.agents)
	defer func() { err = errors.Join(err, leaveNoops()) }()
	if err != nil {
		return err
	}
	span := time.Duration(b.some(20)) * 50 * time.Millisecond
	load := newLoad(ours, c.agents == 1)
	var call workload.Sample
	var idle time.Duration
	const turns = 2
	for range turns {
		took, elapsed, err := allAtOnce(ctx, noops, span, func(_ int, p *workload.Player, took *[4]workload.Sample) error {
			return took[0].Time(func() error { _, err := p.Send(ctx, text, "key"); return err })
		})
		if err != nil {
			return fmt.Errorf("the floor: %w", err)
		}
		call, idle = append(call, took[0]...), idle+elapsed
		if err := load.talk(ctx, span); err != nil {
			return err
		}
	}
	if err := load.work(ctx, span); err != nil {
		return err
	}
	commit, err := c.commits(ctx, program, server, b.some(300))
	if err != nil {
		return fmt.Errorf("the floor: %w", err)
	}
	figure := fmt.Sprintf("send %s, check %s, claim %s, complete %s; %.0f sends and checks/s", ms(load.took[0].At(.5)), ms(load.took[1].At(.5)),
		ms(load.took[2].At(.5)), ms(load.took[3].At(.5)), float64(len(load.took[0])+len(load.took[1]))/load.elapsed.Seconds())
	if c.agents == 1 {
		woke, err := wakes(ctx, ours[0], ours[1], b.some(200))
		if err != nil {
			return err
		}
		figure += ", wake " + ms(woke.At(.5))
	}
	b.rows = append(b.rows, row{
		fmt.Sprintf("%s, %s, %d at once: p50", c.transport, c.engine, c.agents), figure,
		fmt.Sprintf("no-op %s, %.0f calls/s; a commit alone %s", ms(call.At(.5)), float64(len(call))/idle.Seconds(), ms(commit.At(.5))), "–", true,
	})
	return nil
}

// play starts so many agents of a program, or servers that do nothing where self is their program.
func (c cell) play(ctx context.Context, program workload.Program, self string, n int) (players []*workload.Player, leave func() error, err error) {
	var hub *workload.Hub
	leave = func() (err error) {
		for _, p := range players {
			err = errors.Join(err, p.Leave())
		}
		if hub != nil && self == "" {
			return errors.Join(err, hub.Stop())
		} else if hub != nil {
			hub.Kill() // it knows no other end
		}
		return err
	}
	if c.transport == "HTTP" && self == "" {
		hub, err = program.Serve(ctx, workload.Anywhere)
	} else if c.transport == "HTTP" {
		hub, err = workload.ServeWith(ctx, exec.Command(self, noopHubArg))
	}
	for i := range n {
		if err != nil {
			return players, leave, err
		}
		var p *workload.Player
		name, token := fmt.Sprint("agent-", i), "none"
		switch {
		case hub == nil && self == "":
			p, err = program.Play(ctx, name)
		case hub == nil:
			p, err = workload.Connect(ctx, name, exec.Command(self, noopArg))
		default:
			if self == "" {
				quiet := program
				quiet.Stderr = nil // it says how long the token is good
				if token, err = quiet.Token(name); err != nil {
					return players, leave, err
				}
			}
			p, err = hub.Play(ctx, name, token)
		}
		if err == nil {
			players = append(players, p)
		}
	}
	return players, leave, err
}

// matrixLoad is what agents do: in pairs, each at once with all others, or two of them one call at a time.
type matrixLoad struct {
	players []*workload.Player
	single  bool
	took    [4]workload.Sample // send, check, claim, complete
	sent    []int
	elapsed time.Duration // of talking
}

func newLoad(players []*workload.Player, single bool) *matrixLoad {
	return &matrixLoad{players: players, single: single, sent: make([]int, len(players))}
}

// drivers are the agents who begin: all, or the first, who has the second check.
func (l *matrixLoad) drivers() []*workload.Player {
	if l.single {
		return l.players[:1]
	}
	return l.players
}

func (l *matrixLoad) talk(ctx context.Context, span time.Duration) error {
	took, elapsed, err := allAtOnce(ctx, l.drivers(), span, func(i int, p *workload.Player, took *[4]workload.Sample) error {
		l.sent[i]++
		reader := p
		if l.single {
			reader = l.players[1]
		}
		return errors.Join(
			took[0].Time(func() error { _, err := p.Send(ctx, text, fmt.Sprint(i, "-", l.sent[i])); return err }),
			took[1].Time(func() error { _, err := reader.Check(ctx, 0); return err }))
	})
	l.elapsed += elapsed
	for k := range took {
		l.took[k] = append(l.took[k], took[k]...)
	}
	return err
}

// work has each add a task, claim one and complete it.
func (l *matrixLoad) work(ctx context.Context, span time.Duration) error {
	took, _, err := allAtOnce(ctx, l.drivers(), span, func(i int, p *workload.Player, took *[4]workload.Sample) error {
		if _, err := p.AddTask(ctx, bridge.AddTaskRequest{Title: "the next one", Detail: text}); err != nil {
			return err
		}
		var got bridge.ClaimTaskResult
		if err := took[2].Time(func() (err error) { got, err = p.ClaimTask(ctx, bridge.ClaimTaskRequest{}); return err }); err != nil || got.Task == nil {
			return err // the partner was quicker
		}
		return took[3].Time(func() error {
			_, err := p.UpdateTask(ctx, bridge.UpdateTaskRequest{Task: got.Task.ID, Action: bridge.CompleteTask, LeaseToken: got.LeaseToken})
			return err
		})
	})
	l.took[2], l.took[3] = took[2], took[3]
	return err
}

// allAtOnce has all players do something again and again for a while, at once, and gathers what each took.
func allAtOnce(ctx context.Context, players []*workload.Player, span time.Duration, do func(i int, p *workload.Player, took *[4]workload.Sample) error) (all [4]workload.Sample, elapsed time.Duration, err error) {
	var wg sync.WaitGroup
	var mu sync.Mutex // guards all, err
	start := time.Now()
	for i, p := range players {
		wg.Go(func() {
			var took [4]workload.Sample
			var fault error
			for time.Since(start) < span && fault == nil && ctx.Err() == nil {
				fault = do(i, p, &took)
			}
			mu.Lock()
			defer mu.Unlock()
			for k := range took {
				all[k] = append(all[k], took[k]...)
			}
			err = errors.Join(err, fault)
		})
	}
	wg.Wait()
	return all, time.Since(start), err
}

// commits are transactions one after another: on SQLite of the rows of a message, on PostgreSQL of one row over a connection of its own.
func (c cell) commits(ctx context.Context, program workload.Program, server string, n int) (took workload.Sample, err error) {
	var commit func() error
	if c.engine == "SQLite" {
		floor, err := openCommits(ctx, program.Data, "matrix", newMessage, newDelivery, newEntry)
		if err != nil {
			return nil, err
		}
		defer floor.close()
		commit = func() error { return floor.commit(ctx) }
	} else {
		conn, err := pgconn.Connect(ctx, server)
		if err != nil {
			return nil, err
		}
		defer conn.Close(ctx)
		table := "matrix_" + strings.ToLower(rand.Text()[:10])
		if _, err := conn.Exec(ctx, "CREATE TABLE "+table+" (words text)").ReadAll(); err != nil {
			return nil, err
		}
		defer func() {
			_, fault := conn.Exec(context.WithoutCancel(ctx), "DROP TABLE "+table).ReadAll()
			err = errors.Join(err, fault)
		}()
		commit = func() error {
			return conn.ExecParams(ctx, "INSERT INTO "+table+" VALUES ($1)", [][]byte{[]byte(text)}, nil, nil, nil).Read().Err
		}
	}
	for range n {
		if err := took.Time(commit); err != nil {
			return nil, err
		}
	}
	return took, nil
}
