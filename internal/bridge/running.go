package bridge

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"agentbridge/internal/policy"
)

// CommandResult is how a command went.
type CommandResult struct {
	Exit    int    // -1: it did not end by itself
	Outcome string // how it ended, in the bridge's words and nobody else's: members are told it bare; empty: by itself
	Output  string
	Size    int64 // bytes of output there were
	Cut     bool  // Output is not all of it
}

// StartCommand gives the runner of this process the command that has waited for one the longest, among those whose permit is the runner's
// to serve: one of its own machine's key. mine is asked again in the update that takes the command. ok is false where there is none. The
// command is the runner's from then on, and nobody else's ever: one whose runner dies is lost. What is given was looked at: its approval is
// genuine, in time, and its leave good. A process has one runner, which calls this from one goroutine.
func (s *Service) StartCommand(ctx context.Context, runner Instance, mine func(Permit) bool) (c Command, ok bool, err error) {
	var open []Command
	err = s.store.View(ctx, func(tx Tx) error {
		open = nil
		all, err := tx.Commands(CommandApproved, 0)
		for _, k := range all {
			p, err := tx.Permit(k.Conversation)
			if err != nil {
				return err
			}
			if mine(p) {
				open = append(open, k)
			}
		}
		return err
	})
	for _, k := range open {
		if err != nil {
			break
		}
		err = s.inRoom(ctx, k.Conversation, func(r *room) error {
			c, ok = Command{}, false
			now, err := r.standing(k.ID, CommandApproved)
			switch {
			case errors.Is(err, Conflict), errors.Is(err, NotFound):
				return nil // another was faster
			case errors.Is(err, Expired):
				return r.becomes(now, CommandExpired, ProgramName, facts{"why": "no runner began in time"})
			case err != nil:
				return err
			}
			// The permit of the look above may be another by now.
			if p, err := r.tx.Permit(r.c.ID); err != nil && !errors.Is(err, NotFound) {
				return err
			} else if err == nil && !mine(p) {
				return nil
			}
			if why := r.forbids(now); why != "" {
				now.Word = why
				return r.becomes(now, CommandDenied, ProgramName, facts{"why": why})
			}
			now.Runner = runner
			c, ok = now, true
			c.State, c.ChangedAt = CommandRunning, r.now
			return r.becomes(now, CommandRunning, ProgramName, facts{"runner": string(runner)})
		})
		if err != nil && ok {
			err = s.begun(ctx, c, err)
		}
		if ok && err == nil {
			return c, true, nil
		}
	}
	return Command{}, false, err
}

// begun looks whether a command was begun although the store could not say so: err, if it was not, or is not known to be.
func (s *Service) begun(ctx context.Context, c Command, err error) error {
	look := s.store.View(ctx, func(tx Tx) error {
		now, err := tx.Command(c.Conversation, c.ID)
		if err == nil && now.State == CommandRunning && now.Runner == c.Runner && now.ChangedAt.Equal(c.ChangedAt) {
			return nil
		}
		return Errorf(Unavailable, "command %s was not begun", c.ID)
	})
	if look == nil {
		return nil
	}
	return err
}

// forbids says why a command that is marked as approved must not run; empty: it may.
func (r *room) forbids(c Command) string {
	p, err := r.permit()
	m, seated := r.member(c.Member)
	switch {
	case r.live() != nil:
		return "its conversation is over"
	case r.running() != nil:
		return "its conversation is paused"
	case !seated || !m.Present() || m.Agent != c.Agent:
		return "the agent that asked has no seat any more"
	case err != nil:
		return "commands are not enabled any more"
	case c.Mode != p.Mode || c.Workspace != p.Workspace:
		return "it was asked for under another permit"
	case len(c.Approval) == 0 && p.Auto && c.Mode == policy.Safe && c.Verdict == policy.Allow && !c.Network:
		return ""
	case p.InClient && r.s.ring().approvedInClient(c, r.now):
		return ""
	case !approvedBy(p, c):
		return "its approval is not genuine"
	}
	return ""
}

// EndCommand says how a command went, and tells all members. Saying it twice is [Conflict].
func (s *Service) EndCommand(ctx context.Context, c Command, res CommandResult) error {
	key, err := s.conversationKey(ctx, c.Conversation)
	if err != nil {
		return err
	}
	output, redacted := s.door.output(key, res.Output)
	res.Outcome, _ = s.door.output(key, res.Outcome)
	return s.inRoom(ctx, c.Conversation, func(r *room) error {
		now, err := r.tx.Command(r.c.ID, c.ID)
		switch {
		case err != nil:
			return noCommand(err)
		case now.State != CommandRunning || now.Runner != c.Runner:
			return Errorf(Conflict, "command %s is %s, and not run by this process", c.ID, now.State).WithHint("its result was told already, or it was given up for lost")
		}
		now.Exit, now.Outcome, now.Output, now.Size, now.Cut = res.Exit, res.Outcome, output, res.Size, res.Cut
		state := CommandDone
		if res.Exit != 0 || res.Outcome != "" {
			state = CommandFailed
		}
		f := facts{"exit": strconv.Itoa(res.Exit), "output": r.hash("output", output), "bytes": strconv.FormatInt(res.Size, 10), "redacted": strconv.Itoa(redacted)}
		if err := r.becomes(now, state, ProgramName, f); err != nil {
			return err
		}
		return r.announce(now.ended(state), r.present()...)
	})
}

// noticed is how much of an output all members are told, in characters.
const noticed = 8000

// ended tells members how a command went.
func (c Command) ended(state CommandState) string {
	how := fmt.Sprintf("exit status %d", c.Exit)
	if c.Outcome != "" {
		how = c.Outcome
	}
	text := fmt.Sprintf("Command %s, asked for by %s: %s, %s. run_command with command_id shows it.", c.told(), c.Member, state, how)
	if c.Output == "" {
		return text + " It said nothing."
	}
	output, cut := c.Output, c.Cut
	if runes := []rune(output); len(runes) > noticed {
		output, cut = string(runes[:noticed]), true
	}
	if cut {
		text += fmt.Sprintf(" It wrote %d bytes, of which this is the beginning.", c.Size)
	}
	return text + "\n" + FrameOutput(output)
}

// longestRun is how long nothing may be heard of a command that runs, where nobody can tell whether its runner lives: longer than any
// may take.
const longestRun = 30 * time.Minute

// sweepCommands ends what nobody approved or began in time, and what lost its runner.
func (s *Service) sweepCommands(ctx context.Context, rep *SweepReport) error {
	var due []Command
	err := s.store.View(ctx, func(tx Tx) error {
		due = nil
		for _, state := range []CommandState{CommandWaiting, CommandApproved, CommandRunning} {
			open, err := tx.Commands(state, sweepBatch)
			if err != nil {
				return err
			}
			for _, c := range open {
				if state == CommandRunning && (s.dead(c.Runner) || tx.Now().Sub(c.ChangedAt) > longestRun) || state != CommandRunning && !tx.Now().Before(c.ExpiresAt) {
					due = append(due, c)
				}
			}
		}
		return nil
	})
	for _, c := range due {
		err = errors.Join(err, s.sweepRoom(ctx, c.Conversation, rep, func(r *room) (did SweepReport, err error) {
			now, err := r.tx.Command(r.c.ID, c.ID)
			if err != nil || now.State != c.State {
				return did, err
			}
			did.Commands++
			if now.State != CommandRunning {
				return did, r.becomes(now, CommandExpired, ProgramName, facts{"was": string(now.State)})
			}
			now.Outcome = "its runner is gone"
			if err := r.becomes(now, CommandLost, ProgramName, facts{"runner": string(now.Runner)}); err != nil {
				return did, err
			}
			text := fmt.Sprintf("Command %s, asked for by %s, is lost: the process that ran it is gone. Nobody knows how far it came, and it is not run again. Look before you ask for it anew.", now.told(), now.Member)
			return did, r.announce(text, r.present()...)
		}))
	}
	return err
}

// WatchCommands gives a hint when there may be a command to approve or to run.
func (s *Service) WatchCommands(ctx context.Context) <-chan struct{} {
	return s.store.Watch(ctx, Commands)
}
