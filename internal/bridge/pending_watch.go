package bridge

import "context"

// Standing tells where everything stands.
func (s *Service) Standing(ctx context.Context) (Standing, error) { panic("pending") }
