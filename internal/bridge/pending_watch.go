package bridge

import (
	"context"
	"time"
)

// Pause stops a conversation for its agents until a person resumes it. Pausing twice is not an error.
func (s *Service) Pause(ctx context.Context, id ConversationID) error { panic("pending") }

// Resume …
func (s *Service) Resume(ctx context.Context, id ConversationID) error { panic("pending") }

// Standing tells where everything stands.
func (s *Service) Standing(ctx context.Context) (Standing, error) { panic("pending") }

// Attend notes that the caller's client is connected until leave is called. The next sweeps of this process write it down, all
// agents' together.
func (s *Service) Attend(c Caller) (leave func()) { panic("pending") }

// TakeAlerts gives the alerts that are due for a sink, and sees to it that nobody else is given them before their next try.
func (s *Service) TakeAlerts(ctx context.Context, sink string) ([]Alert, error) { panic("pending") }

// AlertTaken notes that a sink took an alert: it is not given again.
func (s *Service) AlertTaken(ctx context.Context, sink string, id AlertID) error { panic("pending") }

// AlertsSince gives the alerts raised at or after a time, oldest first.
func (s *Service) AlertsSince(ctx context.Context, since time.Time) ([]Alert, error) {
	panic("pending")
}
