package storetest

import (
	"fmt"
	"slices"
	"strings"

	"agentbridge/internal/bridge"
)

// work is the tale of adding, claiming, ending and losing tasks. In no history have two members the same task by the same token, and
// nobody ends what another holds.
var work = tale{
	next: func(r *chooser, n int) call {
		c := call{Conversation: convID(r.odds.IntN(2)), Member: r.member}
		switch roll := r.odds.IntN(20); {
		case roll < 5:
			c.Op, c.Key, c.Limit = "add", fmt.Sprintf("%d.%d", r.id, r.odds.IntN(n+1)), r.odds.IntN(2)
		case roll < 11 && len(r.leased) > 0:
			c, r.leased = r.leased[0], r.leased[1:]
			c.Op, c.Key = "end", string(bridge.TaskDone)
			if roll < 7 {
				c.Key = string(bridge.TaskOpen)
			}
		case roll < 16:
			c.Op, c.Receipt = "claim", bridge.Receipt(fmt.Sprintf("rcpt_%d.%d", r.id, n))
			r.leased = append(r.leased, c)
		case roll < 18:
			c.Op = "lapse"
		default:
			c.Op = "jobs"
		}
		return c
	},
	start: func() chapter { return board{} },
}

// board is a conversation's tasks as its members see them, in order.
type board struct {
	jobs  []job
	fence int64
}

type job struct {
	key, by         string
	state           bridge.TaskState
	holder, receipt string
	fence           int64
	after           bool // the job before this one
}

func (j job) String() string {
	return fmt.Sprintf("%s/%s %s %s/%s/%d %t; ", j.by, j.key, j.state, j.holder, j.receipt, j.fence, j.after)
}

func (b board) String() string {
	var s strings.Builder
	for _, j := range b.jobs {
		s.WriteString(j.String())
	}
	return s.String()
}

func (b board) equal(other chapter) bool { return slices.Equal(b.jobs, other.(board).jobs) }

// do gives the board after a call, and the answer.
func (b board) do(c call) (chapter, answer) {
	found := func(belongs func(i int, j job) bool) int {
		for i, j := range b.jobs {
			if belongs(i, j) {
				return i
			}
		}
		return -1
	}
	change := func(i int, to func(j *job)) (chapter, answer) {
		after := board{slices.Clone(b.jobs), b.fence}
		to(&after.jobs[i])
		after.fence = max(b.fence, after.jobs[i].fence)
		return after, answer{Seqs: []int64{int64(i + 1), after.jobs[i].fence}}
	}
	held := func(_ int, j job) bool {
		return j.state == bridge.TaskClaimed && (c.Op == "lapse" || j.holder == c.Member && j.receipt == string(c.Receipt))
	}
	switch c.Op {
	case "add":
		if i := found(func(_ int, j job) bool { return j.by == c.Member && j.key == c.Key }); i >= 0 {
			return b, answer{Seqs: []int64{int64(i + 1)}}
		}
		added := job{key: c.Key, by: c.Member, state: bridge.TaskOpen, after: c.Limit > 0 && len(b.jobs) > 0}
		return board{append(slices.Clip(b.jobs), added), b.fence}, answer{Seqs: []int64{int64(len(b.jobs) + 1)}}
	case "claim":
		if i := found(held); i >= 0 {
			return b, answer{Seqs: []int64{int64(i + 1), b.jobs[i].fence}}
		}
		i := found(func(i int, j job) bool {
			return j.state == bridge.TaskOpen && (!j.after || b.jobs[i-1].state == bridge.TaskDone)
		})
		if i < 0 {
			return b, answer{}
		}
		return change(i, func(j *job) {
			j.state, j.holder, j.receipt, j.fence = bridge.TaskClaimed, c.Member, string(c.Receipt), b.fence+1
		})
	case "end", "lapse":
		i := found(held)
		if i < 0 {
			return b, answer{}
		}
		return change(i, func(j *job) {
			if j.state = bridge.TaskOpen; c.Op == "end" {
				j.state = bridge.TaskState(c.Key)
			}
		})
	}
	return b, answer{Text: b.String()}
}
