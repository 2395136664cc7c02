package workload

import (
	"fmt"
	"slices"
	"strings"

	"agentbridge/internal/audit"
	"agentbridge/internal/bridge"
)

// checker holds the clients' records against the exported logs. It asks no database and no bridge.
type checker struct {
	tiles tiles
	rep   *ChaosReport
}

func (k *checker) find(kind, format string, args ...any) {
	k.rep.Violations = append(k.rep.Violations, Violation{kind, fmt.Sprintf(format, args...)})
}

// messages checks a conversation of messages.
func (k *checker) messages(r *testimony) {
	log := k.tiles[string(r.id)]
	k.rep.Entries += len(log)
	entries, notices := k.sends(log)
	byID := map[bridge.MessageID]*sent{}
	for _, s := range r.sorted() {
		k.rep.Tries += s.tries
		switch s.how {
		case done:
			k.rep.Sent++
			if before := byID[s.id]; before != nil {
				k.find(Doubled, "%s and %s were both acknowledged as %s", before.key, s.key, s.id)
			}
			byID[s.id] = s
			if e, there := entries[s.id]; !there && k.tiles != nil {
				k.find(NoEntry, "%s was acknowledged as message %d, and the log does not know it", s.key, s.seq)
			} else if there && (number(e, "seq") != s.seq || e.Actor != s.from) {
				k.find(BrokenLog, "%s was acknowledged as message %d, and the log says %s of %s", s.key, s.seq, e.Facts["seq"], e.Actor)
			}
		case unknown:
			k.find(Misbehaved, "nobody ever knew what became of %s", s.key)
		default:
			k.rep.Refused++
		}
	}
	for id, e := range entries {
		if byID[id] == nil {
			k.find(EntryAlone, "entry %d says that %s sent %s, and no send was acknowledged so", e.N, e.Actor, id)
		}
	}
	k.acks(r, log)
	for _, name := range r.readers {
		k.inbox(r, name, byID, notices)
		if r.local && k.tiles != nil {
			for _, v := range r.linearizable(name, notices) {
				k.find(NoOrderKnown, "%s", v)
			}
		}
	}
}

// sends finds the messages that a log knows: of members by id, of the bridge itself by number, with their recipients.
func (k *checker) sends(log []audit.Entry) (entries map[bridge.MessageID]audit.Entry, notices map[int64][]string) {
	entries, notices = map[bridge.MessageID]audit.Entry{}, map[int64][]string{}
	last := int64(0)
	for _, e := range log {
		if e.Action != "send" && e.Action != "notice" {
			continue
		}
		if id := bridge.MessageID(e.Subject); e.Action == "send" {
			if _, there := entries[id]; there {
				k.find(EntryAlone, "entry %d is the second that says that %s was sent", e.N, id)
			}
			entries[id] = e
		} else {
			notices[number(e, "seq")] = strings.Fields(e.Facts["to"])
		}
		if seq := number(e, "seq"); seq != last+1 {
			k.find(BrokenLog, "entry %d is of message %d, after message %d", e.N, seq, last)
		}
		last = number(e, "seq")
	}
	return entries, notices
}

// acks holds the acks that were answered against those that were logged.
func (k *checker) acks(r *testimony, log []audit.Entry) {
	logged, asked := map[string]bool{}, map[string]bool{}
	for _, e := range log {
		if e.Action == "ack" {
			logged[e.Subject] = true
		}
	}
	for _, c := range r.checks {
		asked[string(c.ack)] = true
	}
	for receipt := range r.acked() {
		if !logged[string(receipt)] && k.tiles != nil {
			k.find(NoEntry, "the ack of %s was answered, and the log does not know it", receipt)
		}
	}
	for receipt := range logged {
		if !asked[receipt] {
			k.find(EntryAlone, "the log knows an ack of %s that nobody asked for", receipt)
		}
	}
}

// inbox checks what came to one reader.
func (k *checker) inbox(r *testimony, name string, byID map[bridge.MessageID]*sent, notices map[int64][]string) {
	acked := r.acked()
	came := map[int64]checked{}   // by sequence number: the call that brought it last
	texts := map[string]int64{}   // by text: its sequence number
	brought := map[int64]moment{} // by sequence number: when the first call that brought it was answered
	newest := int64(0)
	for _, c := range r.checks {
		if c.by != name {
			continue
		}
		for _, m := range c.got {
			text := Unframed(m.Text)
			k.rep.Read++
			before, again := came[m.Seq]
			at, over := acked[before.receipt]
			switch {
			case again && over && (at < c.call || c.ack == before.receipt): // a call acks first
				k.find(Doubled, "message %d came to %s again after its ack", m.Seq, name)
			case again && !m.Redelivered:
				k.find(Doubled, "message %d came to %s again without a mark", m.Seq, name)
			case again:
				k.rep.Redelivered++
			case m.Seq < newest && !m.Redelivered:
				k.find(OutOfOrder, "message %d came to %s after message %d", m.Seq, name, newest)
			}
			if seq, there := texts[text]; there && seq != m.Seq && m.Rank != bridge.Program {
				k.find(Doubled, "%q came to %s as messages %d and %d", text, name, seq, m.Seq)
			}
			s := byID[m.ID]
			if m.Rank != bridge.Program && (s == nil || s.text != text || s.seq != m.Seq || !slices.Contains(s.to, name)) {
				k.find(Misbehaved, "message %d (%s) came to %s, and nobody sent it so: %q", m.Seq, m.ID, name, text)
			}
			if s != nil && !again && !m.Redelivered && c.wait && s.answer+moment(noticed) < c.answer && s.answer > c.call {
				k.find(NotWoken, "message %d came to %s, who waited, %v late", m.Seq, name, c.answer-s.answer)
			}
			newest, texts[text], came[m.Seq] = max(newest, m.Seq), m.Seq, c
			if _, there := brought[m.Seq]; !there && !m.Redelivered {
				brought[m.Seq] = c.call
			}
		}
	}
	for _, s := range byID {
		if !slices.Contains(s.to, name) {
			continue
		}
		if _, there := came[s.seq]; !there {
			k.find(Lost, "message %d (%q), acknowledged, never came to %s", s.seq, s.text, name)
		}
		k.slept(r, name, s, brought)
	}
	for seq, to := range notices {
		if _, there := came[seq]; !there && slices.Contains(to, name) && seq < newest { // later ones came when it did not read any more
			k.find(Lost, "the bridge's message %d never came to %s", seq, name)
		}
	}
}

// slept finds a call that waited and brought nothing, though this message was there all the time and was not handed out before.
func (k *checker) slept(r *testimony, name string, s *sent, brought map[int64]moment) {
	later, there := brought[s.seq]
	if !there {
		return
	}
	for _, c := range r.checks {
		if c.by == name && c.wait && c.how == done && len(c.got) == 0 && s.answer+moment(noticed) < c.answer && c.answer < later {
			k.find(NotWoken, "%s waited and was given nothing, while message %d had been there for %v", name, s.seq, c.answer-max(s.answer, c.call))
			return
		}
	}
}
