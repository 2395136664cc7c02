package bridge

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// lapsed reports whether an instance has lost its right to what it holds: a local process by being dead, a token on HTTP by
// holding for longer than the delivery lease, counted from the epoch at the earliest.
func (s *Service) lapsed(tx Tx, h Holder) (bool, error) {
	if !strings.HasPrefix(string(h.Instance), instanceHTTP) {
		return s.dead(h.Instance), nil
	}
	w, err := watching(tx)
	if err != nil {
		return false, err
	}
	return tx.Now().Sub(w.counted(h.Since, tx.Now())) >= s.conf.DeliveryLease, nil
}

// reclaim takes back what lapsed instances hold for a recipient, so that it can be delivered anew, or declares it dead after its
// last attempt. It tells how many deliveries it took back and how many are dead.
func (r *room) reclaim(recipient string) (back, dead int, err error) {
	held, err := r.tx.Held(r.c.ID, recipient)
	if err != nil {
		return 0, 0, err
	}
	var lost []Delivery
	for _, d := range held {
		gone, err := r.s.lapsed(r.tx, Holder{r.c.ID, recipient, d.Instance, d.At})
		if err != nil {
			return 0, 0, err
		}
		if gone {
			lost = append(lost, d)
		}
	}
	spent := func(d Delivery) bool { return d.Attempts >= r.s.conf.DeliveryAttempts }
	dying := slices.DeleteFunc(slices.Clone(lost), func(d Delivery) bool { return !spent(d) })
	lost = slices.DeleteFunc(lost, spent)
	if err := r.putBack(recipient, lost, "lapse"); err != nil {
		return 0, 0, err
	}
	return len(lost), len(dying), r.bury(dying, DeadAttempts)
}

// putBack makes delivered copies wait again. Their receipt stays good until they are handed to another instance.
func (r *room) putBack(recipient string, lost []Delivery, action string) error {
	if len(lost) == 0 {
		return nil
	}
	for _, d := range lost {
		d.State, d.At = Stored, r.now
		if err := r.tx.PutDelivery(d); err != nil {
			return err
		}
	}
	if m, ok := r.member(recipient); ok && m.Agent != "" {
		r.tx.Notify(Inbox(m.Agent))
	}
	return r.record(ProgramName, action, recipient, facts{"seqs": seqs(lost)})
}

// why says a dead reason in words.
var why = map[DeadReason]string{
	DeadAttempts:  "it was handed out again and again and never acknowledged",
	DeadInboxFull: "the inbox was full",
	DeadExpired:   "it was not read before the conversation was over",
	DeadRevoked:   "the member was revoked",
}

// bury declares deliveries dead and tells each sender, in one message.
func (r *room) bury(lost []Delivery, reason DeadReason) error {
	told := map[string][]string{} // by sender: "msg_… to beta"
	for _, d := range lost {
		d.State, d.Reason, d.At = Dead, reason, r.now
		if err := r.tx.PutDelivery(d); err != nil {
			return err
		}
		if err := r.record(ProgramName, "dead", string(d.Message), facts{"to": d.Recipient, "reason": string(reason)}); err != nil {
			return err
		}
		m, err := r.tx.Message(r.c.ID, d.Message)
		if err != nil {
			return err
		}
		if m.Rank != Program { // nobody is told of the bridge's own words
			told[m.From] = append(told[m.From], fmt.Sprintf("%s to %s", d.Message, d.Recipient))
		}
	}
	senders := make([]string, 0, len(told))
	for sender := range told {
		senders = append(senders, sender)
	}
	slices.Sort(senders)
	for _, sender := range senders {
		text := fmt.Sprintf("Not delivered, and it will not be: %s. Reason: %s.", list(told[sender], 10), why[reason])
		if err := r.announce(text, sender); err != nil {
			return err
		}
	}
	return nil
}

// list joins items, and counts those past the first few.
func list(items []string, most int) string {
	if len(items) > most {
		return strings.Join(items[:most], ", ") + fmt.Sprintf(" and %d more", len(items)-most)
	}
	return strings.Join(items, ", ")
}

// seqs lists sequence numbers for an entry.
func seqs(ds []Delivery) string {
	var b strings.Builder
	for i, d := range ds {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strconv.FormatInt(d.Seq, 10))
	}
	return b.String()
}
