package bridge

import (
	"context"
	"time"
)

// Store keeps rows durably and lets updates of one scope run one after another. It decides nothing.
//
// Both engines pass storetest.Run, which is this comment as a program.
type Store interface {
	// View runs fn on a consistent snapshot that is at least as new as every update that had returned before View was called. fn
	// must not write. It may be called from any goroutine.
	View(ctx context.Context, fn func(Tx) error) error

	// Update runs fn alone among updates of this scope, across all processes, and commits wholly or not at all: where fn returns
	// an error, nothing of it stays and that error is returned as it is. Updates of other scopes may run at once where the engine can.
	//
	// When Update returns nil, the changes are on disk. When it returns [Unavailable], nothing is known: the caller may try again,
	// so fn must be such that doing it twice is doing it once. Cancelling ctx stops the waiting, not the commit; a caller that
	// stopped waiting gets Unavailable if fn may have run, or ctx's error if it certainly did not and will not. The engine retries
	// by itself what it knows to have failed for reasons of its own (a conflict, a lost turn).
	//
	// fn may be run again on a fresh snapshot, and on another goroutine, so it has no effect but through tx. It must not keep tx, and
	// must not call the Store.
	Update(ctx context.Context, scope Scope, fn func(Tx) error) error

	// Jot is Update for what nobody was promised: presence, charges, leases. When it returns nil, every process sees the changes, and
	// the death of any process leaves them; a power failure may undo them, together with every Jot after. The next Update that
	// returns makes all before it safe. Nothing that has an audit entry is jotted: a log must not grow shorter.
	Jot(ctx context.Context, scope Scope, fn func(Tx) error) error

	// Watch gives a hint after commits that notified topic: wake-ups may be merged or spurious, and a commit after Watch returned
	// is never missed for long (a slow poll backs it). The channel has room for one hint and is never closed; watching ends with
	// ctx.
	Watch(ctx context.Context, topic Topic) <-chan struct{}

	// Close waits for updates under way and releases everything. Calls after Close return Unavailable.
	Close() error
}

// Scope is what an [Store.Update] excludes others from: a conversation, an agent, or the deployment.
type Scope string

// InConversation is the scope of everything in one conversation.
func InConversation(id ConversationID) Scope { return Scope(id) }

// OfAgent is the scope of what belongs to an agent and to no conversation: its read budget and its presence.
func OfAgent(id AgentID) Scope { return Scope(id) }

// Deployment is the scope of agents, tokens, keys, and of the deployment's log.
const Deployment Scope = "deployment"

// Topic is what a watcher waits for.
type Topic string

// Inbox is notified when an agent may have something to read.
func Inbox(id AgentID) Topic { return Topic("inbox/" + id) }

// Work is notified when there may be a task for an agent to claim.
func Work(id AgentID) Topic { return Topic("work/" + id) }

// Feed is notified when anything in a conversation changed.
func Feed(id ConversationID) Topic { return Topic("feed/" + id) }

// Commands is notified when there may be a command to approve or to run, in any conversation.
const Commands Topic = "commands"

// Permits is notified when a person let agents ask for commands, or does not any more.
const Permits Topic = "permits"

// Everything is notified when anything in any conversation changed.
const Everything Topic = "everything"

// Tx is one transaction. Reads see the transaction's own writes. A getter of one thing returns [NotFound] when there is none; a
// getter of many returns an empty slice. Put inserts or replaces the whole row by its key. After any other error fn returns it:
// the transaction may be lost. An engine may hold writes back until the next read or the commit, so a write's error may come
// from a later call, at the latest from Update.
//
// Rows of other scopes may change while fn runs, between two reads of the same row too. What fn decides rests on its own scope; of
// others it reads only what may change a moment later just as well, as a token may be revoked.
//
// Texts are valid UTF-8 without NUL, and are ordered by their bytes.
type Tx interface {
	// Now is the time of this transaction: read once, in UTC, to the microsecond. It comes from the engine, after the scope's turn
	// was taken.
	Now() time.Time
	// Epoch is when this process last saw the engine's clock jump by more than a minute against its own monotonic clock; zero if
	// never. It is never after Now.
	Epoch() time.Time
	// Notify gives topic a hint if and after this transaction commits.
	Notify(topic Topic)

	Meta(key string) ([]byte, error)
	PutMeta(key string, value []byte) error

	Agent(id AgentID) (Agent, error)
	Agents() ([]Agent, error) // by name, then id
	AgentsNamed(name string) ([]Agent, error)
	PutAgent(a Agent) error

	Token(id TokenID) (Token, error)
	Tokens(agent AgentID) ([]Token, error) // oldest first; all agents' where agent is empty
	PutToken(t Token) error

	Conversation(id ConversationID) (Conversation, error)
	Conversations() ([]Conversation, error)                                // newest first
	DueConversations(until time.Time, limit int) ([]ConversationID, error) // with DueAt at or before until, soonest first
	PutConversation(c Conversation) error                                  // the whole row
	// EraseConversation deletes everything in a conversation, its tasks and alerts too, but its own row and its log entries.
	EraseConversation(id ConversationID) error

	Member(id ConversationID, name string) (Member, error)
	Members(id ConversationID) ([]Member, error) // by invitation, then name; revoked ones too
	Memberships(agent AgentID) ([]Member, error) // seats held and not revoked, by conversation
	PutMember(m Member) error

	Invite(id string) (Invite, error)
	Invites(id ConversationID) ([]Invite, error) // oldest first
	InvitesNamed(name string) ([]Invite, error)  // unused and not void, in any conversation, oldest first
	PutInvite(i Invite) error

	// AddMessage adds a message: [Conflict] if its id or its seq is taken. Redelivered is not kept, and Files is never nil when read.
	AddMessage(m Message) error
	Message(id ConversationID, message MessageID) (Message, error)
	// Messages gives messages with a seq above after, in order; limit 0 means all.
	Messages(id ConversationID, after int64, limit int) ([]Message, error)

	// AddDelivery adds a copy. Its key is conversation, recipient and seq: [Conflict] if it is taken.
	AddDelivery(d Delivery) error
	// PutDelivery replaces the copy: [NotFound] if there is none.
	PutDelivery(d Delivery) error
	// Deliveries gives all copies of the messages with a seq from from to to, both included, by seq, then recipient.
	Deliveries(id ConversationID, from, to int64) ([]Delivery, error)
	// Waiting gives the stored copies of a recipient in order of seq; limit 0 means all.
	Waiting(id ConversationID, recipient string, limit int) ([]Delivery, error)
	// Held gives the delivered copies of a recipient in order of seq.
	Held(id ConversationID, recipient string) ([]Delivery, error)
	// Batch gives the copies of a recipient that were last part of that batch, in whatever state, in order of seq.
	Batch(id ConversationID, recipient string, receipt Receipt) ([]Delivery, error)
	// Unacked counts the stored and delivered copies of each of these recipients, up to limit each, in their order.
	Unacked(id ConversationID, limit int, recipients ...string) ([]int, error)
	// Unread counts the stored copies for all seats of an agent that are not revoked.
	Unread(agent AgentID) (int, error)
	// Holders gives, for all conversations, who holds delivered copies: one row an instance and seat.
	Holders() ([]Holder, error)

	// AddTask adds a task: [Conflict] if its id or its number is taken.
	AddTask(t Task) error
	// PutTask replaces a task, but for what never changes: its number and After. [NotFound] if there is none.
	PutTask(t Task) error
	Task(id ConversationID, task TaskID) (Task, error)
	// Tasks gives tasks with a number above after, in order; all states' where state is empty; limit 0 means all.
	Tasks(id ConversationID, state TaskState, after int64, limit int) ([]Task, error)
	// Ready gives open tasks without blockers that are assigned to that member or to nobody: of higher priority first, then by number.
	Ready(id ConversationID, member string, limit int) ([]Task, error)
	// Assigned gives the open tasks assigned to that member, by number.
	Assigned(id ConversationID, member string) ([]Task, error)
	// Movable gives those of them that may go to another, which are those with Reassign, by number; limit 0 means all.
	Movable(id ConversationID, member string, limit int) ([]Task, error)
	// Dependents gives the tasks that come after that one, by number.
	Dependents(id ConversationID, task TaskID) ([]Task, error)
	// Leases gives the leases of claimed tasks, by conversation, then number; all conversations' where id is empty.
	Leases(id ConversationID) ([]Lease, error)
	// CountTasks counts the tasks in each state that has any.
	CountTasks(id ConversationID) (map[TaskState]int, error)

	// Seats gives the seats that are taken and not revoked, in conversations that are not buried, by conversation, then name.
	Seats() ([]Member, error)

	// AddAlert adds an alert: [Conflict] if its id is taken.
	AddAlert(a Alert) error
	// Alerts gives alerts raised at since or later, oldest first, then by id; limit 0 means all.
	Alerts(since time.Time, limit int) ([]Alert, error)
	PutSending(s Sending) error
	// Sendings gives those to a sink, by alert.
	Sendings(sink string) ([]Sending, error)
	DropSendings(before time.Time) error // of alerts raised before then, or that are not there any more

	Presence(agent AgentID) ([]Presence, error) // of all its instances, by instance
	PutPresence(p Presence) error
	// TouchPresence moves an instance's heartbeat on to at, and takes back that it ended if that was before; it leaves the rest alone,
	// and a later heartbeat too. An instance that is not there is added, started at that time. Unlike PutPresence it needs no turn of the agent's
	// scope.
	TouchPresence(agent AgentID, instance Instance, at time.Time) error
	DropPresence(before time.Time) error // of instances with no heartbeat since before

	// Charges tells how many charges the account ever had, and when the charges numbered by back happened: 1 is the latest, 2 the
	// one before. A zero time stands for a charge that never was or is no longer kept.
	Charges(a Account, back ...int) (n int64, at []time.Time, err error)
	// Charge adds charge number n+1 at Now and forgets charge n+1-keep.
	Charge(a Account, n int64, keep int) error

	// DropCharges forgets charges from before then in accounts of no conversation. Whoever calls it sees to it that they count no more.
	DropCharges(before time.Time) error

	// Permit gives that of a conversation, ended ones too. Permits gives those that were not ended by hand and last until then or longer.
	Permit(id ConversationID) (Permit, error)
	Permits(until time.Time) ([]Permit, error)
	PutPermit(p Permit) error

	// AddCommand adds a command: [Conflict] if its id is taken.
	AddCommand(c Command) error
	// PutCommand replaces a command. [NotFound] if there is none.
	PutCommand(c Command) error
	Command(id ConversationID, command CommandID) (Command, error)
	// Commands gives those of all conversations in that state, by when they came into it, then by id and conversation; limit 0 means all.
	Commands(state CommandState, limit int) ([]Command, error)

	// PutGrown notes that a conversation's log has that size. Like AddEntry it belongs to the conversation's scope.
	PutGrown(g Grown) error
	// Grown gives what is noted, by conversation; limit 0 means all.
	Grown(limit int) ([]Grown, error)
	// DropGrown takes the note back, unless the log has outgrown that size since. It needs no turn of the conversation's scope.
	DropGrown(g Grown) error

	// AddEntry appends to a log. [Conflict] if that position is taken.
	AddEntry(e LogEntry) error
	// Entries gives a log's entries from position from; limit 0 means all.
	Entries(log string, from int64, limit int) ([]LogEntry, error)
	// Logs gives the names of all logs that have entries, erased conversations' too, sorted.
	Logs() ([]string, error)
}
