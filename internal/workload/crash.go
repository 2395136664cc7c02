package workload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"agentbridge/internal/bridge"
)

// CrashReport is what [Crash] saw. Lost, Doubled and Faults are empty where every promise held.
type CrashReport struct {
	Kills        int
	Acknowledged int      // sends that were answered
	Unknown      int      // sends under way when their process was killed; sent again with the same key
	Redelivered  int      // messages that came again before they were acked, marked
	Lost         []string // acknowledged and never delivered
	Doubled      []string // came back after an ack
	Faults       []string // what else was not as promised
}

// Crash kills a writing process again and again with SIGKILL, and every fifth time the reading one, while the clients keep their
// own record. Then it compares that record with what arrived, and has the audit log verified. Only the record decides.
func Crash(ctx context.Context, p Program, kills int) (rep CrashReport, err error) {
	alpha, err := p.Play(ctx, "alpha")
	if err != nil {
		return rep, err
	}
	defer func() { alpha.Kill() }()
	beta, err := p.Play(ctx, "beta")
	if err != nil {
		return rep, err
	}
	if _, err := Meet(ctx, alpha, beta); err != nil {
		return rep, err
	}
	r := reader{p: p, beta: beta, got: map[string]int{}, acked: map[string]bool{}}
	defer func() { r.beta.Kill() }()

	sent := map[string]bool{} // by text; true once answered
	next := 0
	for rep.Kills < kills {
		// Each process lives for a random moment of writing, so that kills fall anywhere: before, in and after a commit.
		life := time.Duration(rand.IntN(40_000)) * time.Microsecond
		victim := alpha
		timer := time.AfterFunc(life, func() { victim.process.Process.Kill() })
		for {
			text := strconv.Itoa(next)
			_, err := alpha.Send(ctx, text, "key-"+text)
			if err == nil {
				sent[text] = true
				rep.Acknowledged++
				next++
				continue
			}
			if refusal, ok := errors.AsType[*bridge.Error](err); ok {
				rep.Faults = append(rep.Faults, refusal.Error())
			}
			rep.Unknown++ // the same text and key go again, to the next process
			break
		}
		timer.Stop()
		alpha.Kill()
		rep.Kills++
		if rep.Kills%5 == 0 {
			if err := r.crash(ctx); err != nil {
				return rep, err
			}
			rep.Kills++
		}
		if alpha, err = p.Play(ctx, "alpha"); err != nil {
			return rep, fmt.Errorf("after kill %d: %w", rep.Kills, err)
		}
		if err := r.read(ctx); err != nil {
			return rep, err
		}
	}
	for more := true; more; {
		n := len(r.got)
		if err := r.read(ctx); err != nil {
			return rep, err
		}
		more = len(r.got) > n
	}
	rep.Redelivered, rep.Doubled = r.redelivered, r.doubled
	rep.Faults = append(rep.Faults, r.faults...)
	for text := range sent {
		if r.got[text] == 0 {
			rep.Lost = append(rep.Lost, text)
		}
	}
	faults, err := p.verify()
	rep.Faults = append(rep.Faults, faults...)
	return rep, err
}

// reader is the receiving client and its record.
type reader struct {
	p           Program
	beta        *Player
	got         map[string]int  // how often each text came
	acked       map[string]bool // texts of batches whose ack was answered
	last        []string        // texts of the batch not acked yet
	redelivered int
	doubled     []string
	faults      []string
}

// read takes all that waits.
func (r *reader) read(ctx context.Context) error {
	for {
		res, err := r.beta.Check(ctx, 0)
		if err != nil {
			return err
		}
		for _, text := range r.last { // the answer says that the earlier batch is acked
			r.acked[text] = true
		}
		if r.last = r.note(res); len(r.last) == 0 {
			return nil
		}
	}
}

// note records a batch and gives its texts.
func (r *reader) note(res bridge.CheckResult) (batch []string) {
	for _, m := range res.Messages {
		text := Unframed(m.Text)
		switch {
		case r.acked[text]:
			r.doubled = append(r.doubled, text)
		case r.got[text] > 0 && !m.Redelivered:
			r.faults = append(r.faults, fmt.Sprintf("message %s came again without a mark", text))
		case m.Redelivered:
			r.redelivered++
		}
		r.got[text]++
		batch = append(batch, text)
	}
	return batch
}

// crash kills the reader in the middle of a check, or just after it, and starts it again. What it was answered counts as read;
// what it was not answered must come again.
func (r *reader) crash(ctx context.Context) (err error) {
	victim := r.beta.process.Process
	timer := time.AfterFunc(time.Duration(rand.IntN(4000))*time.Microsecond, func() { victim.Kill() })
	if res, err := r.beta.Check(ctx, 0); err == nil {
		for _, text := range r.last {
			r.acked[text] = true
		}
		r.note(res)
	}
	r.last = nil
	timer.Stop()
	r.beta.Kill()
	r.beta, err = r.p.Play(ctx, "beta")
	return err
}

// verify has the program check its own log, and tells what is wrong with it.
func (p Program) verify() (faults []string, err error) {
	if p.Server != "" {
		return nil, nil // the log is not here
	}
	logs, err := p.logs()
	for _, log := range logs {
		if log.Fault != "" {
			faults = append(faults, log.Log+": "+log.Fault)
		}
	}
	return faults, err
}

// logs has the program check its own log, and gives what it says of each.
func (p Program) logs() ([]bridge.AuditReport, error) {
	out, err := p.Command("audit", "verify", "--json").Output()
	var reports struct {
		Logs []bridge.AuditReport `json:"logs"`
	}
	if jsonErr := json.Unmarshal(out, &reports); jsonErr != nil {
		return nil, errors.Join(err, fmt.Errorf("read audit verify: %w", jsonErr))
	}
	return reports.Logs, err
}
