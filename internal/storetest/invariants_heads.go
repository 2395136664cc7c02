package storetest

import (
	"fmt"
	"strings"

	"agentbridge/internal/audit"
	"agentbridge/internal/bridge"
)

// heads checks that a log which is longer than the deployment's log told is noted as such, with its length, so that it will be told.
func (i *inspection) heads(conversations []bridge.Conversation) error {
	told := map[string]string{}
	entries, err := i.tx.Entries(bridge.DeploymentLog, 0, 0)
	if err != nil {
		return err
	}
	for _, e := range entries {
		r, err := audit.ParseRecord(e.Record)
		if err != nil || r.Action != "heads" {
			continue // what cannot be read, log says
		}
		for log, head := range r.Facts {
			told[log], _, _ = strings.Cut(head, " ")
		}
	}
	grown, err := i.tx.Grown(0)
	if err != nil {
		return err
	}
	for _, g := range grown {
		told[string(g.Conversation)] = fmt.Sprint(g.Size)
	}
	for _, c := range conversations {
		var h audit.Head
		known, ok := told[string(c.ID)]
		if !ok || len(c.Head) == 0 || h.UnmarshalBinary(c.Head) != nil {
			continue // a store that no bridge wrote to, or log says it
		}
		if known != fmt.Sprint(h.Size) {
			i.fail("%s has a log of %d entries, and what is told or noted of it is %s", c.ID, h.Size, known)
		}
	}
	return nil
}
