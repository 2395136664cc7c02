package bridge

import "context"

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
