package bridge

import "time"

// TaskID names a task within its conversation: "task_" and 16 hex digits, derived from who added it and the key, so that the same
// member and key always mean the same task.
type TaskID string

// TaskState is where a task stands.
type TaskState string

// The task states. Open and Claimed may alternate; the others are final.
const (
	TaskOpen      TaskState = "open"      // nobody holds it
	TaskClaimed   TaskState = "claimed"   // one member holds it, by a lease
	TaskDone      TaskState = "done"      // its holder completed it
	TaskFailed    TaskState = "failed"    // its holder gave it up for good, or its attempts are spent
	TaskCancelled TaskState = "cancelled" // it is not wanted any more
)

// Final reports whether a task in this state has ended.
func (s TaskState) Final() bool { return s == TaskDone || s == TaskFailed || s == TaskCancelled }

// Task is work with one holder at a time.
type Task struct {
	Conversation ConversationID
	ID           TaskID
	N            int64 // its number in the conversation, from 1, in the order of adding
	Title        string
	Detail       string
	Files        []string // never nil when read
	Priority     int      // higher first
	After        []TaskID // what must be done before; never changes, and never nil when read
	Blockers     int      // how many of After are not done
	AssignTo     string   // the member that may claim it; empty: whoever is free
	Reassign     bool     // another member may get it when that one falls silent
	Lease        time.Duration
	AddedBy      string // a member's name
	AddedAt      time.Time
	Digest       string // HMAC of the content as it came, to tell a retry from a conflict
	Redacted     int    // how many secrets were masked in it

	State     TaskState
	ChangedAt time.Time // when it came into its state
	Attempts  int       // how often it was claimed
	Result    string    // of its end; of an open task, what the last holder left for the next
	Ended     string    // HMAC of how the newest lease was ended, to tell a retry from a conflict; empty: it was not

	// The newest lease, kept after its end.
	Holder   string   // a member's name; empty: never claimed
	Agent    AgentID  // whose seat that was
	Instance Instance // what must live for the lease to hold; empty: nothing, only time ends it
	Fence    int64    // its token, higher than that of every earlier claim in the conversation; 0: never claimed
	LeasedAt time.Time
	NudgedAt time.Time // zero: its holder was not yet told that it ends soon
}

// Lease is the right of a claimed task's holder.
type Lease struct {
	Conversation ConversationID
	Task         TaskID
	Holder       string
	Agent        AgentID
	Instance     Instance      // see [Task.Instance]
	LeasedAt     time.Time     // when it was claimed or last renewed
	For          time.Duration // how long from then
	NudgedAt     time.Time
}

// lease is the newest lease of a task.
func (t Task) lease() Lease {
	return Lease{t.Conversation, t.ID, t.Holder, t.Agent, t.Instance, t.LeasedAt, t.Lease, t.NudgedAt}
}
