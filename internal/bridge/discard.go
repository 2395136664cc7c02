package bridge

import "context"

// Discard ends a conversation and erases what was said in it, both at once: nobody can read it any more. Its log stays. It is for what
// the program says to itself; a conversation of others is ended with [Service.Close] and erased in its time.
func (s *Service) Discard(ctx context.Context, id ConversationID) error {
	return s.inRoom(ctx, id, func(r *room) error {
		if phase(r.c, r.now) == Open {
			r.c.ExpiresAt, r.c.ClosedAt = r.now, r.now
		}
		if r.c.BuriedAt.IsZero() {
			if _, err := r.end(); err != nil {
				return err
			}
		}
		return r.erase(ProgramName)
	})
}
