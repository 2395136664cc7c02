package workload

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"agentbridge/internal/bridge"
)

// overdue is how long is waited for what has a target of that many milliseconds: twice as long, so that a failure has a figure.
func (v *validation) overdue(target float64) time.Duration {
	return time.Duration(2 * target / v.plan.Compression * float64(time.Millisecond))
}

// idle has one worker hang and one die, each with a task.
func (v *validation) idle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, v.overdue(5*minute)+v.overdue(minute))
	defer cancel()
	players, err := v.meet(ctx, "recovery-lead", "idle", "killed", "spare")
	if err != nil {
		return err
	}
	lead, hung, dies, spare := players[0], players[1], players[2], players[3]
	defer leave([]*Player{lead, hung, spare})
	var ids []bridge.TaskID
	for _, to := range []*Player{hung, dies} {
		res, err := lead.AddTask(ctx, bridge.AddTaskRequest{Title: "held by " + to.Name, AssignTo: to.Name})
		if err != nil {
			return errors.Join(err, dies.Leave())
		}
		ids = append(ids, res.Task)
	}
	if _, err := dies.ClaimTask(ctx, bridge.ClaimTaskRequest{Task: ids[1]}); err != nil {
		return errors.Join(err, dies.Leave())
	}
	held, err := hung.ClaimTask(ctx, bridge.ClaimTaskRequest{Task: ids[0]})
	last := time.Now()
	if err != nil {
		return errors.Join(err, dies.Leave())
	}
	dies.Kill()
	dead := time.Now()
	took := make(chan bridge.TaskID)
	faults := make(chan error, 1)
	go func() {
		for range ids {
			res, err := spare.ClaimTask(ctx, bridge.ClaimTaskRequest{Wait: 10 * time.Second})
			for err == nil && res.Task == nil {
				res, err = spare.ClaimTask(ctx, bridge.ClaimTaskRequest{Wait: 10 * time.Second})
			}
			if err != nil {
				faults <- err
				return
			}
			took <- res.Task.ID
		}
	}()
	claimed := func(id bridge.TaskID, series string, since time.Time) error {
		select {
		case got := <-took:
			if got != id {
				return fmt.Errorf("the spare got %s, want %s", got, id)
			}
			v.took("9", series, time.Since(since))
			return nil
		case err := <-faults:
			return fmt.Errorf("the spare waits for %s: %w", id, err)
		}
	}
	if err := claimed(ids[1], "moved_ms", dead); err != nil {
		return err
	}
	for idle := false; !idle; pause(ctx, 100*time.Millisecond) {
		var who bridge.PartnersResult
		if err := lead.Call(ctx, "check_partners", map[string]any{}, &who); err != nil {
			return fmt.Errorf("the idle one is never told as idle: %w", err)
		}
		for _, p := range who.Partners {
			idle = idle || p.Name == hung.Name && p.Liveness == bridge.Idle
		}
	}
	told := time.Now()
	v.took("9", "idle_ms", told.Sub(last))
	if _, err := lead.UpdateTask(ctx, bridge.UpdateTaskRequest{Task: ids[0], Action: bridge.AssignTask, AssignTo: spare.Name}); err != nil {
		return err
	}
	if err := claimed(ids[0], "handed_ms", told); err != nil {
		return err
	}
	_, err = hung.UpdateTask(ctx, bridge.UpdateTaskRequest{Task: ids[0], Action: bridge.CompleteTask, LeaseToken: held.LeaseToken, Result: "too late"})
	v.is("9", "late", errors.Is(err, bridge.LeaseLost))
	return nil
}

// run runs the program with what it reads, and gives what it wrote.
func (p Program) run(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := p.Command(args...)
	var stderr bytes.Buffer
	cmd.Stderr, cmd.Stdin = &stderr, strings.NewReader(stdin)
	defer context.AfterFunc(ctx, func() {
		if cmd.Process != nil {
			cmd.Process.Kill()
		}
	})()
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(args[:min(2, len(args))], " "), err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}

// credentials brings invites to a machine through git.
func (v *validation) credentials(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	repository := filepath.Join(v.plan.Scratch, "creds.git")
	if out, err := exec.CommandContext(ctx, "git", "init", "-q", "--bare", repository).CombinedOutput(); err != nil {
		return fmt.Errorf("git init: %w: %s", err, out)
	}
	dir, err := v.elsewhere("worker-machine")
	if err != nil {
		return err
	}
	here, there := v.p, v.p
	there.Data = dir
	there = there.with(map[string]string{"store": "sqlite:" + dir + "/bridge.db"})
	marks := map[string]string{}
	for who, p := range map[string]Program{"hub": here, "worker": there} {
		out, err := p.run(ctx, "", "creds", "init", repository, "--json")
		if err != nil {
			return err
		}
		var shown struct{ Fingerprint string }
		if err := json.Unmarshal([]byte(out), &shown); err != nil {
			return err
		}
		marks[who] = shown.Fingerprint
	}
	_, err = here.run(ctx, "", "creds", "trust", "worker", marks["worker"])
	if err == nil {
		_, err = there.run(ctx, "", "creds", "trust", "lead", marks["hub"])
	}
	if err != nil {
		return err
	}
	hub, err := ServeWith(ctx, apart(here.Command("serve", "--listen", Anywhere)))
	if err != nil {
		return err
	}
	defer hub.Stop()
	watch := there.Command("creds", "watch")
	watch.Stderr = nil
	if err := watch.Start(); err != nil {
		return err
	}
	defer func() { watch.Process.Kill(); _ = watch.Wait() }()
	for i := range 3 {
		name := fmt.Sprintf("remote-%d", i+1)
		made, err := here.run(ctx, "", "create", "--as", "sender", "--role", "lead", "--partner", name+"=worker", "--json")
		if err != nil {
			return err
		}
		began := time.Now()
		if _, err := here.run(ctx, made, "creds", "push", "--to", "worker"); err != nil {
			return err
		}
		for path := filepath.Join(dir, "agents", name+".token"); ; pause(ctx, 10*time.Millisecond) {
			if _, err := os.Stat(path); err == nil {
				break
			}
			if ctx.Err() != nil {
				return fmt.Errorf("wait for %s: %w", name, ctx.Err())
			}
		}
		v.took("10", "sync_ms", time.Since(began))
		var made1 bridge.CreateResult
		if err := json.Unmarshal([]byte(made), &made1); err != nil {
			return err
		}
		text := "through git I found you, " + name
		if _, err := here.run(ctx, "", "send", "--as", "sender", "--conversation-id", string(made1.Conversation), text); err != nil {
			return err
		}
		heard, err := there.run(ctx, "", "check", "--as", name, "--json")
		if err != nil {
			return err
		}
		v.is("10", "talked", strings.Contains(heard, text))
	}
	return nil
}

// watchdog kills workers, and waits for what a watchdog says of them.
func (v *validation) watchdog(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, v.overdue(2*minute)+20*time.Second)
	defer cancel()
	players, err := v.meet(ctx, "watched-lead", "falls-1", "falls-2", "stays-1", "stays-2")
	if err != nil {
		return err
	}
	lead := players[0]
	stay := []*Player{lead, players[3], players[4]}
	defer func() { leave(stay) }()
	fall := map[string]string{players[1].Name: "local_ms", players[2].Name: "local_ms"}
	falling := players[1:3]
	if v.plan.Own {
		hub, far, err := v.far(ctx, lead)
		if err != nil {
			leave(falling)
			return err
		}
		defer hub.Stop()
		falling = append(falling[:len(falling):len(falling)], far)
		fall[far.Name] = "far_ms"
	}
	dog := v.plan.Program.Command("watchdog", "--json")
	out, err := dog.StdoutPipe()
	if err != nil {
		leave(falling)
		return err
	}
	dog.Stderr = nil
	if err := dog.Start(); err != nil {
		leave(falling)
		return err
	}
	type alarm struct {
		of string
		at time.Time
	}
	alarms := make(chan alarm, 1000)
	var reading sync.WaitGroup
	reading.Go(func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var a bridge.Alert
			if json.Unmarshal(lines.Bytes(), &a) == nil && a.Kind == bridge.AlertSilent {
				alarms <- alarm{a.Member, time.Now()}
			}
		}
	})
	defer func() { _ = dog.Process.Kill(); reading.Wait(); _ = dog.Wait() }()
	pause(ctx, time.Second) // so that it has seen them all alive
	var dead time.Time
	for _, p := range falling {
		p.process.Process.Kill()
		dead = time.Now()
		defer p.session.Close()
	}
	late := time.After(v.overdue(2 * minute))
	missing := map[string]string{}
	maps.Copy(missing, fall)
	alarmed := map[string]bool{}
	for over := false; len(missing) > 0 && !over; {
		select {
		case a := <-alarms:
			if series, ok := missing[a.of]; ok {
				v.took("12", series, a.at.Sub(dead))
				delete(missing, a.of)
			} else {
				alarmed[a.of] = true
			}
		case <-late:
			over = true
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for _, series := range missing { // no alert in twice the target
		v.took("12", series, v.overdue(2*minute))
	}
	for _, p := range stay {
		v.is("12", "false", alarmed[p.Name])
	}
	return nil
}

// far brings an agent that is at a hub into the conversation of an orchestrator.
func (v *validation) far(ctx context.Context, lead *Player) (*Hub, *Player, error) {
	hub, err := ServeWith(ctx, apart(v.p.Command("serve", "--listen", Anywhere)))
	if err != nil {
		return nil, nil, err
	}
	at, err := func() (*Player, error) {
		dir, err := v.elsewhere("far-machine")
		if err != nil {
			return nil, err
		}
		quiet := v.p
		quiet.Stderr = nil
		token, err := quiet.Token("falls-far")
		if err != nil {
			return nil, err
		}
		far := v.p.Afar(hub, dir)
		if err := far.Settle("falls-far", token); err != nil {
			return nil, err
		}
		p, err := v.start(ctx, far, "falls-far")
		if err != nil {
			return nil, err
		}
		var made bridge.CreateResult
		invite := map[string]any{"role": "lead", "partners": []any{map[string]any{"name": "falls-far", "role": "worker"}}}
		if err := lead.Call(ctx, "create_conversation", invite, &made); err != nil {
			return p, err
		}
		return p, p.Call(ctx, "join_conversation", map[string]any{"code": made.Invites[0].Code}, &bridge.JoinResult{})
	}()
	if err != nil {
		if at != nil {
			_ = at.Leave()
		}
		return nil, nil, errors.Join(err, hub.Stop())
	}
	return hub, at, nil
}

// keepAlive watches a keep-alive whose hub comes and goes.
func (v *validation) keepAlive(ctx context.Context) error {
	restarts := max(3, int(v.plan.KeepAlive/(2*time.Minute)))
	rep, err := KeepAlive(ctx, v.p, v.plan.KeepAlive, restarts)
	for _, took := range rep.Took {
		v.took("11", "notice_ms", took)
	}
	for range rep.Noticed {
		v.is("11", "noticed", true)
	}
	for range rep.Unnoticed {
		v.is("11", "noticed", false)
	}
	v.note("11", "restarts", float64(rep.Kills+rep.Stops))
	v.note("11", "faults", float64(len(rep.Faults)))
	if err == nil && len(rep.Faults) > 0 {
		err = errors.New(strings.Join(rep.Faults, "; "))
	}
	return err
}
