package bridge

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"time"

	"agentbridge/internal/audit"
)

// recentShown is how many of the newest messages a view shows, tasksShown how many tasks.
const (
	recentShown = 20
	tasksShown  = 50
)

// List shows the conversations, newest first: those that can still be read, or all.
func (s *Service) List(ctx context.Context, all bool) (list []Summary, err error) {
	err = s.store.View(ctx, func(tx Tx) error {
		list = []Summary{}
		rows, err := tx.Conversations()
		if err != nil {
			return err
		}
		for _, c := range rows {
			if p := phase(c, tx.Now()); !all && p != Open && p != Ended {
				continue
			}
			sum, _, err := s.summary(tx, c)
			if err != nil {
				return err
			}
			list = append(list, sum)
		}
		return nil
	})
	return list, err
}

// summary tells of one conversation, and of its partners.
func (s *Service) summary(tx Tx, c Conversation) (Summary, []PartnerState, error) {
	sum := Summary{
		Conversation: c.ID, Title: c.Title, Phase: phase(c, tx.Now()), CreatedAt: c.CreatedAt, ExpiresAt: c.ExpiresAt,
		Members: []string{}, Messages: c.LastSeq, Tasks: map[TaskState]int{}, PausedBy: c.PausedBy, Problems: []string{},
	}
	if !c.PausedAt.IsZero() {
		sum.PausedAt = &c.PausedAt
	}
	if sum.Phase == Forgotten {
		return sum, nil, nil
	}
	members, err := tx.Members(c.ID)
	if err != nil {
		return sum, nil, err
	}
	members = slices.DeleteFunc(members, func(m Member) bool { return !m.RevokedAt.IsZero() })
	states, err := (&room{s: s, tx: tx, now: tx.Now(), c: c}).states(members)
	if err != nil {
		return sum, nil, err
	}
	for _, m := range members {
		sum.Members = append(sum.Members, m.Name)
	}
	waiting, err := tx.Unacked(c.ID, s.conf.InboxDepth+1, sum.Members...)
	if err != nil {
		return sum, nil, err
	}
	for _, n := range waiting {
		sum.Waiting += n
	}
	if sum.Tasks, err = tx.CountTasks(c.ID); err != nil {
		return sum, nil, err
	}
	if sum.Phase == Open {
		sum.Problems, err = s.problems(tx, c, members, states, waiting)
	}
	return sum, states, err
}

// Show tells all about one conversation, for the person.
func (s *Service) Show(ctx context.Context, id ConversationID) (v View, err error) {
	err = s.store.View(ctx, func(tx Tx) error {
		c, err := tx.Conversation(id)
		if err != nil {
			return s.noConversation(err, id)
		}
		v, err = s.view(tx, c)
		return err
	})
	return v, err
}

// Conversation tells a member all about its conversation. Texts are framed.
func (s *Service) Conversation(ctx context.Context, c Caller, id ConversationID) (v View, err error) {
	defer func() { err = s.refused(c, err) }()
	if err := s.begin(ctx, c, Read); err != nil {
		return v, err
	}
	err = s.store.View(ctx, func(tx Tx) error {
		r, err := s.enter(tx, c, id)
		if err != nil {
			return err
		}
		if v, err = s.view(tx, r.c); err != nil {
			return err
		}
		r.narrow(&v)
		for i := range v.Recent {
			v.Recent[i].Text = Frame(v.Recent[i])
		}
		return nil
	})
	return v, err
}

// narrow leaves in a view the messages that the caller sent or was sent.
func (r *room) narrow(v *View) {
	mine := map[MessageID]bool{}
	for _, m := range v.Recent {
		mine[m.ID] = m.From == r.me.Name
	}
	for _, d := range v.Deliveries {
		mine[d.Message] = mine[d.Message] || d.Recipient == r.me.Name
	}
	v.Recent = slices.DeleteFunc(v.Recent, func(m Message) bool { return !mine[m.ID] })
	v.Deliveries = slices.DeleteFunc(v.Deliveries, func(d DeliveryReport) bool { return !mine[d.Message] })
}

func (s *Service) view(tx Tx, c Conversation) (v View, err error) {
	v = View{Roster: []PartnerState{}, Invites: []InviteState{}, Recent: []Message{}, Deliveries: []DeliveryReport{}, LiveTasks: []TaskView{}}
	if v.Summary, v.Roster, err = s.summary(tx, c); err != nil {
		return v, err
	}
	if v.Recent, err = tx.Messages(c.ID, c.LastSeq-recentShown, 0); err != nil {
		return v, err
	}
	deliveries, err := tx.Deliveries(c.ID, c.LastSeq-recentShown+1, c.LastSeq)
	if err != nil {
		return v, err
	}
	for _, d := range deliveries {
		v.Deliveries = append(v.Deliveries, DeliveryReport{c.ID, d})
	}
	invites, err := tx.Invites(c.ID)
	if err != nil {
		return v, err
	}
	for _, i := range invites {
		v.Invites = append(v.Invites, InviteState{i.Name, i.CreatedAt, i.ExpiresAt, s.inviteState(i, tx.Now())})
	}
	if v.LiveTasks, err = s.liveTasks(tx, c.ID); err != nil {
		return v, err
	}
	var head audit.Head
	if err := head.UnmarshalBinary(c.Head); err != nil {
		return v, fmt.Errorf("log %s: %w", c.ID, err)
	}
	root := head.Root()
	v.Entries, v.Root = head.Size, base64.StdEncoding.EncodeToString(root[:])
	return v, nil
}

// liveTasks are the tasks of a conversation that are open or claimed, in the order of adding, as many as are shown.
func (s *Service) liveTasks(tx Tx, id ConversationID) ([]TaskView, error) {
	open, err := tx.Tasks(id, TaskOpen, 0, tasksShown)
	if err != nil {
		return nil, err
	}
	claimed, err := tx.Tasks(id, TaskClaimed, 0, tasksShown)
	if err != nil {
		return nil, err
	}
	live := append(open, claimed...)
	slices.SortFunc(live, func(a, b Task) int { return cmp.Compare(a.N, b.N) })
	views := []TaskView{}
	for _, t := range live[:min(len(live), tasksShown)] {
		v, err := s.taskView(tx, t)
		if err != nil {
			return nil, err
		}
		views = append(views, v)
	}
	return views, nil
}

func (s *Service) inviteState(i Invite, now time.Time) string {
	switch {
	case !i.UsedAt.IsZero():
		return "used"
	case i.Void || !s.ring().holds(i.KeyID, now):
		return "void"
	case !now.Before(i.ExpiresAt):
		return "expired"
	}
	return "open"
}

// Messages gives the messages of a conversation with a seq above after, as stored; limit 0 means all.
func (s *Service) Messages(ctx context.Context, id ConversationID, after int64, limit int) (list []Message, err error) {
	err = s.store.View(ctx, func(tx Tx) error {
		if _, err := tx.Conversation(id); err != nil {
			return s.noConversation(err, id)
		}
		list, err = tx.Messages(id, after, limit)
		return err
	})
	return list, err
}
