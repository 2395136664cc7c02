package workload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"agentbridge/internal/bridge"
)

// Stress plays one coordinator and its workers as MCP clients, and says what they saw. What came of it is decided by the clients' own
// records and nothing else; the bridge is asked only for its log's verification, and its files for their size.
//
// Where ctx ends, the load ends, and what was sent until then is waited for and reported: that is no error. It is one before the load has
// begun. A report with [StressReport.Kept] false is no error either.
func Stress(ctx context.Context, plan StressPlan) (rep StressReport, err error) {
	if plan, err = plan.complete(); err != nil {
		return rep, err
	}
	s := &stress{plan: plan, record: newRecord(plan.Agents), inFlight: make([]atomic.Int32, plan.Agents)}
	rep.Plan = plan
	if plan.Server.URL == "" {
		if rep.Fsync, err = fsyncs(plan.Program.Data, 100); err != nil {
			return rep, err
		}
	}
	defer func() { err = errors.Join(err, s.leave()) }()
	if err := s.seat(ctx); err != nil {
		return rep, cmp.Or(ctx.Err(), err)
	}
	if rep.EmptyBytes, err = s.stored(ctx); err != nil {
		return rep, err
	}
	if ping := s.seats[coordinator].ping; ping != nil {
		for range 25 {
			pause(ctx, 40*time.Millisecond) // about as far apart as messages are: what sleeps in between wakes slower
			if err := rep.Pings.Time(func() error { return ping(ctx) }); err != nil {
				return rep, cmp.Or(ctx.Err(), err)
			}
		}
	}
	calm := context.WithoutCancel(ctx) // what is under way when it is interrupted has its answer
	s.play(ctx, calm)
	rep.Interrupted = ctx.Err() != nil
	if err := s.leave(); err != nil {
		s.fault("%v", err)
	}
	rep.Integrity = Unchecked
	if plan.Server.URL == "" {
		if err := s.verify(&rep); err != nil {
			return rep, err
		}
		if rep.DatabaseBytes, err = s.stored(calm); err != nil {
			return rep, err
		}
	}
	s.record.tell(&rep)
	rep.Memory, rep.Span, rep.Backlog, rep.Reads = s.memory, s.span, int(s.backlog.Load()), int(s.reads.Load())
	rep.Faults = append(rep.Faults, s.faults...)
	return rep, nil
}

// seat is one agent that plays.
type seat struct {
	name  string
	call  func(ctx context.Context, tool string, arguments, answer any) error // as [Player.Call]
	ping  func(ctx context.Context) error                                     // as [Player.Ping]; nil over HTTP
	rooms []int                                                               // the conversations it is in
}

// stress is one run. The coordinator is the first of its seats.
type stress struct {
	plan   StressPlan
	record *record
	hub    *Hub // its own; nil: none
	seats  []seat
	rooms  []room
	ends   []func() error // end what was started, last first

	inFlight []atomic.Int32 // by agent: sent to it and not arrived, as far as is known
	began    atomic.Bool    // the load has
	settling atomic.Bool    // it is over, and what is under way is waited for
	reads    atomic.Int64
	backlog  atomic.Int64
	span     time.Duration
	memory   []MemoryAt // only the goroutine's that watches, and who waited for it

	mu     sync.Mutex // guards faults
	faults []string
}

// room is a conversation: the coordinator and these workers.
type room struct {
	id      bridge.ConversationID
	workers []int // seats
}

func (s *stress) fault(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	const most = 50 // one cause has many
	if len(s.faults) < most {
		s.faults = append(s.faults, fmt.Sprintf(format, args...))
	}
}

// leave ends all that was started. Only the first call does something.
func (s *stress) leave() (err error) {
	faults := make([]error, len(s.ends))
	var wg sync.WaitGroup
	for i, end := range s.ends {
		if i == 0 && s.hub != nil {
			continue // it ends after its clients
		}
		wg.Go(func() { faults[i] = end() })
	}
	wg.Wait()
	if s.hub != nil && len(s.ends) > 0 {
		faults[0] = s.ends[0]()
	}
	s.ends = nil
	return errors.Join(faults...)
}

// verify has the log checked that the run left.
func (s *stress) verify(rep *StressReport) error {
	logs, err := s.plan.Program.logs()
	if err != nil && len(logs) == 0 {
		return err
	}
	rep.Integrity = Intact
	for _, log := range logs {
		rep.AuditEntries += log.Entries
		if log.Fault != "" {
			rep.Integrity = Broken
			s.fault("log %s: %s", log.Log, log.Fault)
		}
	}
	return nil
}

// fsyncs measures what one durable write of a page costs on the disk of a directory, with nothing of ours in between.
func fsyncs(dir string, n int) (took Sample, err error) {
	f, err := os.CreateTemp(dir, "fsync-")
	if err != nil {
		return nil, fmt.Errorf("measure the disk: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	page := make([]byte, 4096)
	for range n {
		err := took.Time(func() error {
			if _, err := f.Write(page); err != nil {
				return err
			}
			return f.Sync()
		})
		if err != nil {
			return nil, fmt.Errorf("measure the disk: %w", err)
		}
	}
	return took, nil
}
