package bridge

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"agentbridge/internal/audit"
)

// Bounds of a message beside its length.
const (
	maxFiles    = 20
	maxFileName = 1024 // characters
	maxKey      = 200  // bytes
)

// Send stores a message, one delivery a recipient, the charge and the audit entry together, and answers when they are on disk.
//
// A request without a key gets one before the first try. After [Unavailable] the caller may send the same request with the same
// key again: the message is stored once, and Duplicate says that it was there. What the store's engine can retry by itself, it has.
func (s *Service) Send(ctx context.Context, c Caller, q SendRequest) (res SendResult, err error) {
	defer func() { err = s.refused(c, err) }()
	given := q.Key != ""
	if err := checkSend(&q); err != nil {
		return res, err
	}
	look := early{textBytes(q.Files, q.Message), func(r *room) error {
		return r.spent(Write, func() (bool, error) {
			_, err := r.tx.Message(r.c.ID, messageID(r.c.Key, r.me, q.Key))
			return found(err)
		})
	}}
	clean := func(key []byte) (Message, error) { return s.clean(key, q) }
	res, err = inRoomOf(ctx, s, c, q.Conversation, look, clean, func(r *room, m Message) (SendResult, error) {
		// Read first: an engine that holds writes back then sends them with the commit.
		unread, err := unreadOf(r.tx, c)
		if err != nil {
			return SendResult{}, err
		}
		res, err := r.send(m, q.To, q.Key)
		res.Unread = unread
		return res, err
	})
	err = unknown(err, q.Key, given)
	if err == nil {
		s.seen(ctx, c)
	} else {
		s.entryAlone(ctx, c, q)
	}
	return res, err
}

// textBytes is how long texts are together.
func textBytes(list []string, more ...string) (n int) {
	for _, text := range append(more, list...) {
		n += len(text)
	}
	return n
}

// found turns the error of a getter into whether there is what it looked for.
func found(err error) (bool, error) {
	if errors.Is(err, NotFound) {
		return false, nil
	}
	return err == nil, err
}

// unknown says how to repeat a send of which nobody knows whether it was stored. A key that came from outside is not shown.
func unknown(err error, key string, given bool) error {
	switch {
	case !errors.Is(err, Unavailable):
		return err
	case given:
		return AsError(err).WithHint("nobody knows whether it was stored; send the same again with the same key, and it is stored once")
	}
	return AsError(err).WithHint("nobody knows whether it was stored; send the same again with key %q, and it is stored once", key)
}

// checkSend refuses what no conversation could take, and completes the request.
func checkSend(q *SendRequest) error {
	if q.Key == "" {
		q.Key = rand.Text()
	}
	if q.ActionType == "" {
		q.ActionType = Info
	}
	if !slices.Contains([]ActionType{Question, Info, Proposal, BlockedAction, CompleteAction}, q.ActionType) {
		return Errorf(Invalid, "there is no such action_type").WithHint("choose question, info, proposal, blocked or complete")
	}
	if err := checkFiles(q.Files); err != nil {
		return err
	}
	if err := checkKey(q.Key); err != nil {
		return err
	}
	q.To = slices.Clone(q.To)
	slices.Sort(q.To)
	q.To = slices.Compact(q.To)
	return nil
}

func checkFiles(files []string) error {
	if len(files) > maxFiles {
		return Errorf(Invalid, "files_involved has %d files, and %d are allowed", len(files), maxFiles).WithHint("name the directories instead")
	}
	return nil
}

func checkKey(key string) error {
	if len(key) > maxKey || !utf8.ValidString(key) {
		return Errorf(Invalid, "the key has %d bytes, and %d of UTF-8 are allowed", len(key), maxKey).WithHint("a short random text will do")
	}
	return nil
}

// clean lets a message's texts in.
func (s *Service) clean(key []byte, q SendRequest) (m Message, err error) {
	m = Message{ActionType: q.ActionType, ReplyTo: q.ReplyTo}
	if m.Text, m.Redacted, err = s.door.take(key, "the message", q.Message, s.conf.MaxMessage); err != nil {
		return m, err
	}
	if strings.TrimSpace(m.Text) == "" {
		return m, Errorf(Invalid, "the message is empty").WithHint("say something in message")
	}
	files, masked, err := s.cleanFiles(key, q.Files)
	if err != nil {
		return m, err
	}
	m.Files, m.Redacted = files, m.Redacted+masked
	// Over the masked text: a digest of a secret would let guesses at it be checked. Different secrets have different marks.
	parts := append([]string{"message", m.Text, string(m.ActionType), string(m.ReplyTo), strings.Join(q.To, " ")}, m.Files...)
	m.Digest = audit.ContentHash(key, parts...)
	return m, nil
}

// cleanFiles lets the names of files in, and tells how many secrets were masked in them.
func (s *Service) cleanFiles(key []byte, names []string) (files []string, masked int, err error) {
	files = []string{}
	for _, f := range names {
		f, n, err := s.door.take(key, "a name in files_involved", f, maxFileName)
		if err != nil {
			return nil, 0, err
		}
		if strings.TrimSpace(f) == "" || strings.Contains(f, "\n") {
			return nil, 0, Errorf(Invalid, "a name in files_involved is not a file's").WithHint("give paths, one an element")
		}
		files, masked = append(files, f), masked+n
	}
	return files, masked, nil
}

// messageID is the same for the same sender and key, so that a retry finds what it stored. The sender is a seat and who sits in it.
func messageID(key []byte, sender Member, idempotency string) MessageID {
	return MessageID("msg_" + audit.ContentHash(key, "message id", sender.Name, string(sender.Agent), idempotency)[:16])
}

// send stores a message of the seat me. It is the only way a message of an agent or the person comes into being.
func (r *room) send(m Message, to []string, key string) (res SendResult, err error) {
	m.ID, m.Conversation = messageID(r.c.Key, r.me, key), r.c.ID
	m.From, m.Role, m.Rank, m.SentAt = r.me.Name, r.me.Role, r.me.Rank, r.now
	if old, err := r.tx.Message(r.c.ID, m.ID); err == nil {
		return r.again(old, m)
	} else if !errors.Is(err, NotFound) {
		return res, err
	}
	if err := r.live(); err != nil {
		return res, err
	}
	person := m.Rank == Person
	if !person {
		if err := r.running(); err != nil {
			return res, err
		}
		if err := r.may(Worker, "send"); err != nil {
			return res, err
		}
	}
	recipients, err := r.recipients(to)
	if err != nil {
		return res, err
	}
	if m.ReplyTo != "" {
		if _, err := r.tx.Message(r.c.ID, m.ReplyTo); errors.Is(err, NotFound) {
			return res, Errorf(NotFound, "reply_to names no message of %s", r.c.ID).WithHint("pass a message_id as check_messages gave it, or leave reply_to out")
		} else if err != nil {
			return res, err
		}
	}
	if person {
		r.progress()
	} else {
		if err := r.turn(m, len(recipients)); err != nil {
			return res, err
		}
		if err := r.charge(Write); err != nil {
			return res, err
		}
	}
	deliveries, err := r.address(recipients, !person)
	if err != nil {
		return res, err
	}
	overlap, err := r.overlap(m.Files)
	if err != nil {
		return res, err
	}
	if m, err = r.put(m, deliveries, "send"); err != nil {
		return res, err
	}
	if err := r.guard(); err != nil {
		return res, err
	}
	res = result(m, deliveries)
	res.Overlap = overlap
	return res, r.save()
}

// recipients are the seats a message goes to: those named, or all partners.
func (r *room) recipients(to []string) ([]Member, error) {
	if len(to) == 0 {
		partners := r.partners()
		if len(partners) == 0 {
			return nil, Errorf(NotFound, "there is nobody else in %s", r.c.ID).WithHint("invite a partner: create_conversation with conversation_id")
		}
		return partners, nil
	}
	var members []Member
	for _, name := range to {
		m, ok := r.member(name)
		switch {
		case name == r.me.Name:
			return nil, Errorf(Invalid, "%q is your own name", name).WithHint("send to %s", r.names())
		case !ok:
			return nil, Errorf(NotFound, "there is no member %s in %s; nothing was sent", r.s.quote(name), r.c.ID).WithHint("send to %s", r.names())
		}
		members = append(members, m)
	}
	return members, nil
}

// names lists the partners for a hint.
func (r *room) names() string {
	var names []string
	for _, p := range r.partners() {
		names = append(names, p.Name)
	}
	if len(names) == 0 {
		return "nobody: there is no other member yet"
	}
	return strings.Join(names, ", ")
}

// address makes a delivery for each recipient: stored, or dead where an inbox that counts is full. If all are full it refuses.
func (r *room) address(recipients []Member, bounded bool) ([]Delivery, error) {
	names := make([]string, len(recipients))
	for i, m := range recipients {
		names[i] = m.Name
	}
	depth := make([]int, len(recipients))
	if bounded {
		var err error
		if depth, err = r.tx.Unacked(r.c.ID, r.s.conf.InboxDepth, names...); err != nil {
			return nil, err
		}
	}
	deliveries := make([]Delivery, 0, len(recipients))
	full := 0
	for i, m := range recipients {
		d := Delivery{Conversation: r.c.ID, Recipient: m.Name, State: Stored, At: r.now}
		if depth[i] >= r.s.conf.InboxDepth {
			d.State, d.Reason = Dead, DeadInboxFull
			full++
		}
		deliveries = append(deliveries, d)
		if d.State == Stored && m.Agent != "" {
			r.tx.Notify(Inbox(m.Agent))
		}
	}
	if full > 0 && full == len(recipients) {
		return nil, Errorf(RateLimited, "the inbox of every recipient is full (%d messages)", r.s.conf.InboxDepth).
			WithHint("nothing was sent; wait until they have read, check_partners shows who is there").Retry(r.s.conf.Heartbeat)
	}
	return deliveries, nil
}

// put stores a message, its deliveries and its entry under the next sequence number.
func (r *room) put(m Message, deliveries []Delivery, action string) (Message, error) {
	r.c.LastSeq++
	m.Seq = r.c.LastSeq
	if err := r.tx.AddMessage(m); err != nil {
		return m, err
	}
	var to, dead []string
	for i := range deliveries {
		deliveries[i].Seq, deliveries[i].Message = m.Seq, m.ID
		if err := r.tx.AddDelivery(deliveries[i]); err != nil {
			return m, err
		}
		if deliveries[i].State == Dead {
			dead = append(dead, deliveries[i].Recipient)
		} else {
			to = append(to, deliveries[i].Recipient)
		}
	}
	f := facts{"seq": strconv.FormatInt(m.Seq, 10), "to": strings.Join(to, " "), "content": m.Digest}
	if len(dead) > 0 {
		f["inbox_full"] = strings.Join(dead, " ")
	}
	if m.Redacted > 0 {
		f["redacted"] = strconv.Itoa(m.Redacted)
	}
	return m, r.record(m.From, action, string(m.ID), f)
}

// again answers a retry as its first try was answered, or refuses other content under its key.
func (r *room) again(old, m Message) (SendResult, error) {
	if old.Digest != m.Digest {
		return SendResult{}, Errorf(Conflict, "the key was used for another message (%s)", old.ID).WithHint("use a new key for new content; repeat a key only to retry the same send")
	}
	deliveries, err := r.tx.Deliveries(r.c.ID, old.Seq, old.Seq)
	res := result(old, deliveries)
	res.Duplicate = true
	return res, err
}

func result(m Message, deliveries []Delivery) SendResult {
	res := SendResult{Conversation: m.Conversation, Message: m.ID, Seq: m.Seq, To: []string{}, Redacted: m.Redacted}
	for _, d := range deliveries {
		if d.State == Dead && d.Reason == DeadInboxFull {
			res.Dead = append(res.Dead, d)
		} else {
			res.To = append(res.To, d.Recipient)
		}
	}
	return res
}

// announce stores a message from the bridge itself. It is not charged, and no inbox is too full for it.
func (r *room) announce(text string, to ...string) error {
	deliveries := make([]Delivery, 0, len(to))
	for _, name := range to {
		if m, ok := r.member(name); ok {
			deliveries = append(deliveries, Delivery{Conversation: r.c.ID, Recipient: name, State: Stored, At: r.now})
			if m.Agent != "" {
				r.tx.Notify(Inbox(m.Agent))
			}
		}
	}
	if len(deliveries) == 0 {
		return nil
	}
	m := Message{
		ID: messageID(r.c.Key, Member{Name: ProgramName}, strconv.FormatInt(r.c.LastSeq+1, 10)), Conversation: r.c.ID, From: ProgramName, Rank: Program,
		Text: text, ActionType: Info, Files: []string{}, SentAt: r.now, Digest: audit.ContentHash(r.c.Key, "notice", text),
	}
	_, err := r.put(m, deliveries, "notice")
	return err
}
