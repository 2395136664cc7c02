package bridge

import "slices"

// overlapWindow is how many messages back a file counts as being worked on.
const overlapWindow = 50

// overlap finds what others are doing to the same files: the tasks they hold, and the newest message a file that they sent lately.
func (r *room) overlap(files []string) (found []Overlap, err error) {
	if len(files) == 0 {
		return nil, nil
	}
	held, err := r.tx.Tasks(r.c.ID, TaskClaimed, 0, 0)
	if err != nil {
		return nil, err
	}
	recent, err := r.tx.Messages(r.c.ID, r.c.LastSeq-overlapWindow, 0)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		for _, t := range held {
			if t.Holder != r.me.Name && slices.Contains(t.Files, f) {
				found = append(found, Overlap{File: f, From: t.Holder, Task: t.ID})
			}
		}
		for _, m := range slices.Backward(recent) {
			if m.From != r.me.Name && slices.Contains(m.Files, f) {
				found = append(found, Overlap{File: f, From: m.From, Message: m.ID})
				break
			}
		}
	}
	return found, nil
}
