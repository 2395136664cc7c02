package bridge

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Asked are the commands that wait for a person, those that have waited longest first, as the person must see them: whole.
func (s *Service) Asked(ctx context.Context) (list []Command, err error) {
	err = s.store.View(ctx, func(tx Tx) error {
		list = nil
		all, err := tx.Commands(CommandWaiting, 0)
		for _, c := range all {
			if tx.Now().Before(c.ExpiresAt) {
				list = append(list, c)
			}
		}
		return err
	})
	return list, err
}

// FindCommand finds a command by its id or the beginning of it, of whatever state.
func (s *Service) FindCommand(ctx context.Context, id CommandID) (c Command, err error) {
	err = s.store.View(ctx, func(tx Tx) error {
		var found []Command
		for _, state := range []CommandState{CommandWaiting, CommandApproved, CommandRunning, CommandDone, CommandFailed, CommandDenied, CommandExpired, CommandLost} {
			all, err := tx.Commands(state, 0)
			if err != nil {
				return err
			}
			for _, k := range all {
				if k.ID == id {
					c = k
					return nil
				}
				if id != "" && strings.HasPrefix(strings.TrimPrefix(string(k.ID), "cmd_"), strings.TrimPrefix(string(id), "cmd_")) {
					found = append(found, k)
				}
			}
		}
		if len(found) != 1 {
			return noCommand(Errorf(NotFound, ""))
		}
		c = found[0]
		return nil
	})
	return c, err
}

// ApproveCommand lets exactly this command run, once. What is signed is the command as it was shown to the person: if anything of it is
// not as it is stored, that is [Conflict], and nothing is approved. Of any number of tries at once one succeeds; the others are [Conflict].
func (s *Service) ApproveCommand(ctx context.Context, shown Command, sign Signature) error {
	approval, err := sign(shown.approvable())
	if err != nil {
		return err
	}
	return s.inRoom(ctx, shown.Conversation, func(r *room) error {
		c, err := r.standing(shown.ID, CommandWaiting)
		if err != nil {
			return err
		}
		p, err := r.permit()
		if err != nil {
			return err
		}
		c.Network, c.Approval = shown.Network, approval
		switch {
		case !approvedBy(p, c):
			return Errorf(Conflict, "command %s is not what was shown, or the key is not the one that enabled commands", c.ID).
				WithHint("look at it again with agentbridge approve %s", c.ID)
		case c.Mode != p.Mode || c.Workspace != p.Workspace:
			return Errorf(Conflict, "command %s was asked for under another permit", c.ID).WithHint("the agent can ask again")
		}
		return r.becomes(c, CommandApproved, PersonName, facts{"network": fmt.Sprint(c.Network)})
	})
}

// maxWord is how much a person may say with a no, in characters.
const maxWord = 500

// DenyCommand says no, with a word to the agent that asked.
func (s *Service) DenyCommand(ctx context.Context, id ConversationID, command CommandID, why string) error {
	if utf8.RuneCountInString(why) > maxWord {
		return Errorf(Invalid, "--why has more than %d characters", maxWord).WithHint("say it shorter, or with agentbridge say")
	}
	key, err := s.conversationKey(ctx, id)
	if err != nil {
		return err
	}
	if why, _, err = s.door.take(key, "--why", why, maxWord); err != nil {
		return err
	}
	return s.inRoom(ctx, id, func(r *room) error {
		c, err := r.standing(command, CommandWaiting)
		if err != nil {
			return err
		}
		c.Word = why
		return r.becomes(c, CommandDenied, PersonName, facts{"why": r.hash("why", why)})
	})
}

// standing reads a command that must be in that state, in time.
func (r *room) standing(id CommandID, state CommandState) (Command, error) {
	c, err := r.tx.Command(r.c.ID, id)
	switch {
	case errors.Is(err, NotFound):
		return c, noCommand(err)
	case err != nil:
		return c, err
	case c.State != state:
		return c, Errorf(Conflict, "command %s is %s already", id, c.State).WithHint("agentbridge approve lists those that wait for you; the agent can ask again")
	case !r.now.Before(c.ExpiresAt):
		return c, Errorf(Expired, "command %s has waited too long", id).WithHint("the agent can ask again; there are %s to say yes", approveWithin)
	}
	return c, nil
}

// becomes moves a command into a state, in the log too, and wakes who waits for it.
func (r *room) becomes(c Command, state CommandState, actor string, f facts) error {
	c.State, c.ChangedAt = state, r.now
	if err := r.tx.PutCommand(c); err != nil {
		return err
	}
	r.tx.Notify(Inbox(c.Agent))
	r.tx.Notify(Commands)
	return r.record(actor, "command_"+string(state), string(c.ID), f)
}
