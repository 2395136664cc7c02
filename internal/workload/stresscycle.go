package workload

import "fmt"

// Saturation is what as many callers as a run has agents get done together where nothing paces them and no client is in between, beside
// what they get done the way that the seed's program works: open the database, one transaction, close, in every call.
type Saturation struct {
	Callers        int
	Service, Cycle float64 // messages a second
}

// Times is how many of those cycles one message of ours is worth.
func (s Saturation) Times() float64 { return s.Service / max(s.Cycle, 1e-9) }

func (s Saturation) String() string {
	return fmt.Sprintf("%d callers at the Service: %.0f durable sends/s; opening, committing and closing in each call, as the seed does: %.0f/s; %.1f ×",
		s.Callers, s.Service, s.Cycle, s.Times())
}
