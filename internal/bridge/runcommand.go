package bridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"agentbridge/internal/audit"
	"agentbridge/internal/policy"
)

// How long what is asked for may be approved, and begun after that.
const approveWithin = 5 * time.Minute

// mostWaiting is how many commands of one seat may wait for a person at once. More would bury the one that matters: nobody reads hundreds with
// care.
const mostWaiting = 10

// RunCommandRequest asks for a command, or what became of one.
type RunCommandRequest struct {
	Conversation ConversationID
	Command      string
	Reason       string
	ID           CommandID     // of a command that was asked for; then the texts are empty
	Key          string        // the same key is the same command: makes a retry safe; empty: each request is a command of its own
	Wait         time.Duration // until it has ended; 0 to 240 s
}

// CommandView is a command as it is shown.
type CommandView struct {
	ID           CommandID      `json:"command_id"`
	Conversation ConversationID `json:"conversation_id"`
	From         string         `json:"from"`
	Command      string         `json:"command"`
	Reason       string         `json:"reason"`
	Mode         policy.Mode    `json:"mode"`
	Workspace    string         `json:"workspace"`
	Policy       policy.Verdict `json:"policy"`
	PolicyWhy    string         `json:"policy_why"`
	State        CommandState   `json:"state"`
	ExpiresAt    time.Time      `json:"expires_at"`
	ExitCode     *int           `json:"exit_code"` // null: it has not ended, or not by itself
	Output       string         `json:"output"`
	OutputBytes  int64          `json:"output_bytes"`
	Truncated    bool           `json:"truncated"`
	Outcome      string         `json:"outcome,omitempty"`
	Why          string         `json:"why,omitempty"` // a person's word
	InClient     bool           `json:"in_client"`     // it waits, and a yes in the asking agent's program counts
	Unread       int            `json:"unread"`
}

// View is the command as it is shown.
func (c Command) View() CommandView {
	v := CommandView{
		ID: c.ID, Conversation: c.Conversation, From: c.Member, Command: c.Text, Reason: c.Reason, Mode: c.Mode, Workspace: c.Workspace, Policy: c.Verdict, PolicyWhy: c.Why,
		State: c.State, ExpiresAt: c.ExpiresAt, Output: c.Output, OutputBytes: c.Size, Truncated: c.Cut, Outcome: c.Outcome, Why: c.Word,
	}
	if c.State == CommandDone || c.State == CommandFailed && c.Exit >= 0 {
		v.ExitCode = &c.Exit
	}
	return v
}

// RunCommand asks for a command, and waits for what becomes of it. What the policy refuses is [Denied] with its words, and nobody is asked;
// everything else waits for a person, unless the permit says that safe mode's reading needs none. It never says more than is known: a
// command that has not ended when the time is up is given as it stands.
func (s *Service) RunCommand(ctx context.Context, c Caller, q RunCommandRequest) (v CommandView, err error) {
	defer func() { err = s.refused(c, err) }()
	if q.Wait < 0 || q.Wait > maxWait {
		return v, Errorf(Invalid, "wait_seconds is out of range").WithHint("choose 0 to %d, and ask again with command_id", int(maxWait.Seconds()))
	}
	if q.ID == "" {
		if v, err = s.askFor(ctx, c, q); err != nil {
			return v, err
		}
		q.ID, q.Conversation = v.ID, v.Conversation
	} else if q.Command != "" || q.Reason != "" {
		return v, Errorf(Invalid, "command_id and command exclude each other").WithHint("give command_id alone to ask what became of it")
	}
	_, err = await(ctx, q.Wait, func(ctx context.Context) <-chan struct{} { return s.store.Watch(ctx, Inbox(c.Agent())) }, func() (bool, error) {
		v, err = s.commandOf(ctx, c, q)
		return err == nil && v.State.Final(), err
	})
	return v, err
}

func (s *Service) askFor(ctx context.Context, c Caller, q RunCommandRequest) (CommandView, error) {
	type asked struct{ text, reason string }
	clean := func(key []byte) (a asked, err error) {
		var masked int
		if a.text, masked, err = s.door.take(key, "the command", q.Command, policy.MaxBytes); err != nil {
			return a, err
		}
		if masked > 0 || a.text != q.Command {
			return a, Errorf(Denied, "the command holds a secret, or what nobody sees").WithHint("have it read the secret from where it lies; a person must see exactly what runs")
		}
		a.reason, _, err = s.door.take(key, "the reason", q.Reason, maxNote)
		return a, err
	}
	look := early{textBytes(nil, q.Command, q.Reason), func(r *room) error {
		return r.spent(Change, func() (bool, error) { return false, nil })
	}}
	return inRoomOf(ctx, s, c, q.Conversation, look, clean, func(r *room, a asked) (v CommandView, err error) {
		if err := cmp.Or(r.live(), r.running(), r.may(Worker, "ask for commands")); err != nil {
			return v, err
		}
		id := commandID(r, q.Key)
		if k, err := r.tx.Command(r.c.ID, id); err == nil && k.Text == a.text {
			return k.View(), nil
		} else if err != nil && !errors.Is(err, NotFound) {
			return v, err
		}
		p, err := r.permit()
		if err != nil {
			return v, err
		}
		if !p.Served(r.now) {
			return v, Errorf(Denied, "nothing runs commands here just now").
				WithHint("the person in charge starts agentbridge with YOLO_MODE=1 on the machine where commands were enabled, as in YOLO_MODE=1 agentbridge mcp, or serve; if one runs there, it refuses: agentbridge doctor says what that machine lacks, such as bubblewrap (apt install bubblewrap)")
		}
		rules := s.rules
		rules.Workspace = p.Workspace
		judge, err := policy.New(rules)
		if err != nil {
			return v, Errorf(Internal, "the policy: %w", err)
		}
		d := judge.Decide(p.Mode, a.text)
		if d.Verdict == policy.Deny {
			return v, Errorf(Denied, "%s mode does not run that: %s", p.Mode, d.Reason).WithHint("%s", cmp.Or(d.Hint, "agentbridge policy check --mode "+p.Mode.String()+" says why"))
		}
		unasked := p.Auto && p.Mode == policy.Safe && d.Verdict == policy.Allow // it needs no yes of its own
		if !unasked {
			if err := r.mayWait(); err != nil {
				return v, err
			}
		}
		if err := r.charge(Change); err != nil {
			return v, err
		}
		k := Command{
			Conversation: r.c.ID, ID: id, Member: r.me.Name, Agent: r.me.Agent, Text: a.text, Reason: a.reason,
			Mode: p.Mode, Workspace: p.Workspace, Verdict: d.Verdict, Why: d.Reason, State: CommandWaiting, AskedAt: r.now, ChangedAt: r.now,
			ExpiresAt: r.now.Add(approveWithin).Truncate(time.Second), Exit: -1,
		}
		if unasked {
			k.State = CommandApproved
		}
		if err := r.tx.AddCommand(k); err != nil {
			return v, err
		}
		f := facts{"command": r.hash("command", k.Text), "mode": k.Mode.String(), "policy": string(k.Verdict), "state": string(k.State), "expires": stamp(k.ExpiresAt)}
		if err := r.record(r.me.Name, "command_ask", string(k.ID), f); err != nil {
			return v, err
		}
		if k.State == CommandWaiting {
			err = r.alert(AlertCommand, r.me.Name, "", fmt.Sprintf("%s asks to run a command: agentbridge approve %s", r.me.Name, k.ID))
		}
		if err != nil {
			return v, err
		}
		r.tx.Notify(Commands)
		r.progress()
		return k.View(), r.save()
	})
}

// mayWait refuses a seat whose commands wait already, as many as may.
func (r *room) mayWait() error {
	waiting, err := r.tx.Commands(CommandWaiting, 0)
	if err != nil {
		return err
	}
	own := 0
	for _, k := range waiting {
		if k.Conversation == r.c.ID && k.Member == r.me.Name && r.now.Before(k.ExpiresAt) {
			own++
		}
	}
	if own < mostWaiting {
		return nil
	}
	return Errorf(Conflict, "%d commands of yours wait for a person already", own).WithHint("ask with their command_id what became of them; each waits for five minutes at most")
}

// commandID is the same for the same seat and key.
func commandID(r *room, key string) CommandID {
	if key == "" {
		return CommandID(newID("cmd_"))
	}
	return CommandID("cmd_" + audit.ContentHash(r.c.Key, "command id", r.me.Name, string(r.me.Agent), key)[:16])
}

// permit is the leave that is good now.
func (r *room) permit() (Permit, error) {
	p, err := r.tx.Permit(r.c.ID)
	switch {
	case err != nil && !errors.Is(err, NotFound):
		return p, err
	case err != nil || !p.good(r.now):
		return p, Errorf(Denied, "commands are not enabled in this conversation").WithHint("only a person can enable them, on a terminal: agentbridge yolo enable --conversation %s", r.c.ID)
	case !p.genuine():
		return p, Errorf(Denied, "what enabled commands here was changed by somebody").WithHint("tell the person in charge: agentbridge audit verify, and agentbridge yolo enable anew")
	}
	return p, nil
}

// commandOf shows a member a command of its conversation.
func (s *Service) commandOf(ctx context.Context, c Caller, q RunCommandRequest) (v CommandView, err error) {
	id := q.Conversation
	if id == "" {
		if id, err = s.whereCommandIs(ctx, c, q.ID); err != nil {
			return v, err
		}
	}
	err = s.store.View(ctx, func(tx Tx) error {
		if _, err := s.enter(tx, c, id); err != nil {
			return err
		}
		k, err := tx.Command(id, q.ID)
		if err != nil {
			return noCommand(err)
		}
		v = k.View()
		if k.State == CommandWaiting {
			p, err := tx.Permit(id)
			if err != nil && !errors.Is(err, NotFound) {
				return err
			}
			v.InClient = p.InClient
		}
		v.Unread, err = unreadOf(tx, c)
		return err
	})
	return v, err
}

func (s *Service) whereCommandIs(ctx context.Context, c Caller, id CommandID) (in ConversationID, err error) {
	err = s.store.View(ctx, func(tx Tx) error {
		seats, err := seatsOf(tx, c)
		if err != nil {
			return err
		}
		for _, m := range seats {
			if _, err := tx.Command(m.Conversation, id); err == nil {
				in = m.Conversation
				return nil
			} else if !errors.Is(err, NotFound) {
				return err
			}
		}
		return noCommand(Errorf(NotFound, ""))
	})
	return in, err
}

func noCommand(err error) error {
	if errors.Is(err, NotFound) {
		return Errorf(NotFound, "there is no such command").WithHint("ask again with command; agentbridge approve lists those that wait for a person")
	}
	return err
}

// told is how a command is named to people and members.
func (c Command) told() string {
	line, _, more := strings.Cut(c.Text, "\n")
	if runes := []rune(line); len(runes) > 80 || more {
		line = string(runes[:min(len(runes), 80)]) + "…"
	}
	return fmt.Sprintf("%s (%s)", c.ID, line)
}
