package bridge

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"strings"

	"agentbridge/internal/audit"
)

// historyPage is how many entries or messages are read at a time.
const historyPage = 1000

// logs lists the log of one conversation, or all.
func (s *Service) logs(ctx context.Context, id ConversationID) (logs []string, err error) {
	err = s.store.View(ctx, func(tx Tx) error {
		if id != "" {
			logs = []string{string(id)}
			_, err := tx.Conversation(id)
			return s.noConversation(err, id)
		}
		logs, err = tx.Logs()
		return err
	})
	return logs, err
}

// entries reads a log page by page.
func entries(tx Tx, log string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for from := int64(0); ; from += historyPage {
			page, err := tx.Entries(log, from, historyPage)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, e := range page {
				if !yield(e.Record, nil) {
					return
				}
			}
			if len(page) < historyPage {
				return
			}
		}
	}
}

// AuditVerify reads the log of one conversation, or every log, and tells of each whether it is the one that its head was made
// from. A fault is in the report, not an error.
func (s *Service) AuditVerify(ctx context.Context, id ConversationID) (reports []AuditReport, err error) {
	logs, err := s.logs(ctx, id)
	if err != nil {
		return nil, err
	}
	reports = []AuditReport{}
	for _, log := range logs {
		report, err := s.verify(ctx, log)
		if err != nil {
			return nil, err
		}
		reports = append(reports, report)
	}
	return reports, nil
}

// verify reads one log against its head, in one snapshot: a log that grows meanwhile is no fault.
func (s *Service) verify(ctx context.Context, log string) (out AuditReport, err error) {
	err = s.store.View(ctx, func(tx Tx) error {
		out = AuditReport{Log: log}
		head, err := head(tx, log)
		if err != nil {
			out.Fault = err.Error()
			return nil
		}
		rep, err := audit.Verify(log, head, entries(tx, log))
		out.Entries, out.Root = rep.Size, base64.StdEncoding.EncodeToString(rep.Root[:])
		if errors.Is(err, audit.ErrBroken) {
			out.Fault, err = strings.Join(rep.Findings, "; "), nil
		}
		return err
	})
	return out, err
}

// head reads the head of a log.
func head(tx Tx, log string) (head audit.Head, err error) {
	var raw []byte
	if log == DeploymentLog {
		raw, err = tx.Meta(metaHead)
	} else {
		var c Conversation
		c, err = tx.Conversation(ConversationID(log))
		raw = c.Head
	}
	if err != nil {
		return head, fmt.Errorf("the head of the log cannot be read: %w", err)
	}
	return head, head.UnmarshalBinary(raw)
}

// Export emits everything about one conversation, a value at a time, in the order conversation, member, message, delivery, task,
// entry.
func (s *Service) Export(ctx context.Context, id ConversationID, emit func(kind string, value any) error) error {
	v, err := s.Show(ctx, id)
	if err != nil {
		return err
	}
	if err := emit("conversation", v.Summary); err != nil {
		return err
	}
	for _, m := range v.Roster {
		if err := emit("member", m); err != nil {
			return err
		}
	}
	for after := int64(0); ; {
		page, err := s.Messages(ctx, id, after, historyPage)
		if err != nil {
			return err
		}
		for _, m := range page {
			if err := emit("message", m); err != nil {
				return err
			}
			after = m.Seq
		}
		if len(page) < historyPage {
			break
		}
	}
	for from := int64(1); from <= v.Messages; from += historyPage {
		var deliveries []Delivery
		err := s.store.View(ctx, func(tx Tx) (err error) {
			deliveries, err = tx.Deliveries(id, from, from+historyPage-1)
			return err
		})
		if err != nil {
			return err
		}
		for _, d := range deliveries {
			if err := emit("delivery", DeliveryReport{id, d}); err != nil {
				return err
			}
		}
	}
	for after := int64(0); ; { // their numbers have no gaps
		page, err := s.Tasks(ctx, id, after, historyPage)
		if err != nil {
			return err
		}
		for _, t := range page {
			if err := emit("task", t); err != nil {
				return err
			}
			after++
		}
		if len(page) < historyPage {
			break
		}
	}
	return s.AuditEach(ctx, AuditFilter{Conversation: id}, func(l AuditLine) error { return emit("entry", l) })
}
