package bridge

import "slices"

// overdue reports whether a conversation's log is longer than what was told of it, and nothing is noted that would have the next
// sweep tell the rest: in the update that makes a log grow there is such a note, so somebody took it away.
func (v *verification) overdue(tx Tx, log string, size int64) (bool, error) {
	told := func() bool {
		return slices.ContainsFunc(v.told[log], func(t toldHead) bool { return t.size >= size })
	}
	if size == 0 || told() {
		return false, nil
	}
	if all, err := toldAll(tx); err != nil || !all {
		return false, err // a store from before, and nobody swept it yet
	}
	grown, err := tx.Grown(0)
	if err != nil || slices.ContainsFunc(grown, func(g Grown) bool { return string(g.Conversation) == log }) {
		return false, err
	}
	// What the deployment's log tells was read before; a sweep may have told it and dropped the note meanwhile.
	var bad []int64
	for record, err := range entries(tx, DeploymentLog, v.heard) {
		if err != nil {
			return false, err
		}
		v.hear(record, &bad)
		v.heard++
	}
	return !told(), nil
}
