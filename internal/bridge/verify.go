package bridge

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"agentbridge/internal/audit"
)

// AuditMark is a head that a log is known to have had.
type AuditMark struct {
	Log string
	audit.Mark
}

// AuditVerify reads the log of one conversation, or every log, and tells of each whether it is the one that its head was made from,
// and whether it continues every head that it is known to have had: what the deployment's log tells of a conversation's, what this
// data directory keeps of the deployment's, and the marks given, which were kept elsewhere. A fault is in the report, not an error.
//
// It holds a page of entries at a time, and some 60 bytes for each head that the deployment's log tells.
func (s *Service) AuditVerify(ctx context.Context, id ConversationID, marks ...AuditMark) (reports []AuditReport, err error) {
	if id != "" {
		return s.verifyOne(ctx, id, marks)
	}
	v, deployment, err := s.verification(ctx, marks)
	if err != nil {
		return nil, err
	}
	logs, err := v.logs(ctx)
	if err != nil {
		return nil, err
	}
	for _, log := range logs {
		report := deployment
		if log != DeploymentLog {
			if report, err = v.log(ctx, log); err != nil {
				return nil, err
			}
		}
		reports = append(reports, report)
	}
	return reports, nil
}

// verifyOne verifies one log, and tells of the deployment's too where that is at fault: what it tells of others is worth little then.
func (s *Service) verifyOne(ctx context.Context, log ConversationID, marks []AuditMark) ([]AuditReport, error) {
	reports, _, err := s.verifyTold(ctx, log, marks)
	return reports, err
}

// verifyTold is verifyOne, and gives what the deployment's log tells of the others.
func (s *Service) verifyTold(ctx context.Context, log ConversationID, marks []AuditMark) ([]AuditReport, map[string][]toldHead, error) {
	v, deployment, err := s.verification(ctx, marks)
	if err != nil {
		return nil, nil, err
	}
	if log == DeploymentLog {
		return []AuditReport{deployment}, v.told, nil
	}
	report, err := v.conversation(ctx, string(log))
	if err != nil {
		return nil, nil, err
	}
	reports := []AuditReport{report}
	if deployment.Fault != "" {
		reports = append(reports, deployment)
	}
	return reports, v.told, nil
}

// verification gathers what is known of the logs, and verifies the deployment's, which tells of the others. It comes first: the others
// have grown on since, if anything.
func (s *Service) verification(ctx context.Context, marks []AuditMark) (v *verification, deployment AuditReport, err error) {
	v = &verification{s: s, told: map[string][]toldHead{}, known: map[string][]audit.Mark{}}
	for _, m := range marks {
		v.known[m.Log] = append(v.known[m.Log], m.Mark)
	}
	// What is kept before what is there: of an older view a newer head would seem to be cut off.
	kept, there, broken := s.keptHead(ctx)
	switch {
	case errors.Is(broken, errKept):
	case broken != nil:
		return nil, deployment, broken
	case there:
		v.known[DeploymentLog] = append(v.known[DeploymentLog], audit.Mark{Size: kept.Size, Root: kept.Root(), From: "the witness in the data directory"})
	}
	if deployment, err = v.log(ctx, DeploymentLog); err != nil {
		return nil, deployment, err
	}
	v.heard = deployment.Entries
	// It stands until a person accepts it, also where what it was found by is gone.
	f, err := s.Forked(ctx)
	if f != nil {
		deployment.find(f.String())
	}
	if broken != nil && (f == nil || f.Kept != unreadableHead) {
		deployment.find(broken.Error())
	}
	return v, deployment, err
}

// find adds a fault.
func (r *AuditReport) find(fault string) {
	if r.Fault != "" {
		fault = r.Fault + "; " + fault
	}
	r.Fault = fault
}

// verification is one check of the logs.
type verification struct {
	s     *Service
	told  map[string][]toldHead   // by conversation, what the deployment's log tells
	known map[string][]audit.Mark // by log, what is known from elsewhere
	heard int64                   // how many entries of the deployment's log told it
}

// toldHead is a head that an entry of the deployment's log tells.
type toldHead struct {
	n    int64 // the entry
	size int64
	root [32]byte
}

// logs are all that there are, and all that there should be, sorted.
func (v *verification) logs(ctx context.Context) ([]string, error) {
	all := map[string]bool{DeploymentLog: true}
	err := v.s.store.View(ctx, func(tx Tx) error {
		names, err := tx.Logs()
		if err != nil {
			return err
		}
		rows, err := tx.Conversations()
		for _, c := range rows {
			if len(c.Head) > 0 {
				all[string(c.ID)] = true
			}
		}
		for _, name := range names {
			all[name] = true
		}
		return err
	})
	for log := range v.told {
		all[log] = true
	}
	for log := range v.known {
		all[log] = true
	}
	return slices.Sorted(maps.Keys(all)), err
}

// conversation verifies a log that somebody named.
func (v *verification) conversation(ctx context.Context, log string) (AuditReport, error) {
	if v.told[log] == nil && v.known[log] == nil {
		if _, err := v.s.logs(ctx, ConversationID(log)); err != nil {
			return AuditReport{}, err
		}
	}
	return v.log(ctx, log)
}

// log reads one log against its head, in one snapshot: a log that grows meanwhile is no fault.
func (v *verification) log(ctx context.Context, log string) (out AuditReport, err error) {
	marks := v.marks(log)
	var bad []int64
	revoked := revocations{}
	err = v.s.store.View(ctx, func(tx Tx) error {
		out = AuditReport{Log: log, Marks: len(marks)}
		head, err := head(tx, log)
		if _, failed := errors.AsType[*Error](err); failed {
			return err // of the store, not of the log
		}
		if err != nil {
			out.Fault = err.Error()
		}
		records := entries(tx, log, 0)
		if log == DeploymentLog {
			clear(v.told)
			clear(revoked)
			bad = nil
			records = v.listen(records, &bad, revoked)
		}
		rep, err := audit.Verify(log, head, records, marks...)
		out.Entries, out.Root = rep.Size, base64.StdEncoding.EncodeToString(rep.Root[:])
		if errors.Is(err, audit.ErrBroken) {
			out.find(strings.Join(rep.Findings, "; "))
			err = nil
		}
		if err != nil {
			return err
		}
		if log != DeploymentLog && out.Fault == "" {
			due, err := v.overdue(tx, log, rep.Size)
			if err != nil {
				return err
			}
			if due {
				out.find("its newest entries were not told in the deployment's log, and nothing is noted that would tell them: somebody took the note away")
			}
		}
		undone, err := revoked.undone(tx, v.s.ring(), tx.Now())
		for _, finding := range undone {
			out.find(finding)
		}
		return err
	})
	for _, n := range bad {
		out.find(fmt.Sprintf("entry %d tells a head that cannot be read", n))
	}
	return out, err
}

// marks are what a log must have been.
func (v *verification) marks(log string) []audit.Mark {
	marks := slices.Clone(v.known[log])
	for _, t := range v.told[log] {
		marks = append(marks, audit.Mark{Size: t.size, Root: t.root, From: fmt.Sprintf("entry %d of the deployment's log", t.n)})
	}
	return marks
}

// listen passes the records of the deployment's log on, and notes the heads and the revocations that they tell.
func (v *verification) listen(records iter.Seq2[[]byte, error], bad *[]int64, revoked revocations) iter.Seq2[[]byte, error] {
	tells := []byte(`"action":"` + actionHeads + `"`)
	return func(yield func([]byte, error) bool) {
		for record, err := range records {
			if err == nil {
				revoked.hear(record)
				if bytes.Contains(record, tells) {
					v.hear(record, bad)
				}
			}
			if !yield(record, err) {
				return
			}
		}
	}
}

func (v *verification) hear(record []byte, bad *[]int64) {
	e, err := audit.ParseRecord(record)
	if err != nil || e.Action != actionHeads {
		return // if it is broken, it is found
	}
	for log, text := range e.Facts {
		size, root, err := parseRoot(text)
		if err != nil {
			if text != unreadableHead { // its own log says so
				*bad = append(*bad, e.N)
			}
			continue
		}
		v.told[log] = append(v.told[log], toldHead{e.N, size, root})
	}
}

// entries reads a log from a position on, page by page.
func entries(tx Tx, log string, from int64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for ; ; from += historyPage {
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

// head reads the head of a log.
func head(tx Tx, log string) (audit.Head, error) {
	var raw []byte
	var err error
	if log == DeploymentLog {
		raw, err = tx.Meta(metaHead)
	} else {
		var c Conversation
		c, err = tx.Conversation(ConversationID(log))
		raw = c.Head
	}
	switch {
	case errors.Is(err, NotFound):
		return audit.Head{}, errors.New("its head is gone, and what held it")
	case err != nil:
		return audit.Head{}, err
	}
	return readHead(raw)
}
