// Package bridge holds the rules by which agents talk: identity, conversations, messages, deliveries, presence and limits.
//
// A [Service] is the only thing that decides. It reads and writes through a [Store], of which there is one per engine; an engine
// moves rows and never judges. Every surface (MCP tools, command line, hub) calls the Service and adds nothing to its rules.
package bridge

import "time"

// AgentID names an agent for ever: "agent_" and 16 hex digits. It is not a secret.
type AgentID string

// ConversationID names a conversation: "conv_" and 16 hex digits. Knowing it gives no right.
type ConversationID string

// MessageID names a message within its conversation: "msg_" and 16 hex digits, derived from sender and key, so that the same
// sender and key always mean the same message.
type MessageID string

// TokenID is the public half of a token: 32 hex digits.
type TokenID string

// Instance says where a batch of messages went. On stdio it is the process ("proc_…", which a lock proves alive or dead); on
// HTTP it is the token ("tok_…"), and the delivery lease decides.
type Instance string

// Receipt names one batch handed to one instance: "rcpt_…". It carries its own proof of origin, so a foreign or invented one is
// told apart from a used one without looking anything up.
type Receipt string

// Rank is what a member may do. The order is by right: each rank may do what those before it may.
type Rank string

// The ranks. Person and Program are reserved: no member can be given them.
const (
	Observer     Rank = "observer"     // reads
	Worker       Rank = "worker"       // also sends, claims, updates its tasks
	Peer         Rank = "peer"         // also adds tasks
	Orchestrator Rank = "orchestrator" // also assigns, cancels, invites
	Person       Rank = "person"       // the human at a controlling terminal
	Program      Rank = "bridge"       // the program itself
)

// Names that no member can bear, because messages from them carry authority.
const (
	PersonName  = "person"
	ProgramName = "bridge"
)

// Status is what an agent says of itself.
type Status string

// The statuses.
const (
	Working  Status = "working"
	Waiting  Status = "waiting"
	Blocked  Status = "blocked"
	Complete Status = "complete"
)

// ActionType says what a message is for.
type ActionType string

// The action types. Info is what a message is when nothing is said.
const (
	Question       ActionType = "question"
	Info           ActionType = "info"
	Proposal       ActionType = "proposal"
	BlockedAction  ActionType = "blocked"
	CompleteAction ActionType = "complete"
)

// Agent is an identity. It takes part in any number of conversations and holds any number of tokens.
type Agent struct {
	ID        AgentID
	Name      string // as a member is named: [A-Za-z0-9._-], at most 64; not unique in a store
	Local     bool   // made on this machine by --as NAME, so its name is reserved in this store for it
	CreatedAt time.Time
}

// Token is what the store keeps of a token: never the secret.
type Token struct {
	ID        TokenID
	Agent     AgentID
	KeyID     string // which key made Tag and Seal
	Tag       []byte // HMAC over id and secret: proves the bearer
	Seal      []byte // HMAC over id and every field below: proves that this row was not edited
	CreatedAt time.Time
	ExpiresAt time.Time
	RevokedAt time.Time // zero: not revoked

	// What a child token is held to; empty for a token of its own.
	Parent       TokenID        // good only while this one is
	Rank         Rank           // no more right than this, whatever the seat's rank; empty: the seat's
	Conversation ConversationID // good in this one only; empty: in all
}

// Conversation is a bounded collaboration.
type Conversation struct {
	ID        ConversationID
	Title     string
	Creator   AgentID
	CreatedAt time.Time
	ExpiresAt time.Time // after it nothing is sent; closing sets it to the moment of closing
	ClosedAt  time.Time // zero: not closed by a person
	WarnedAt  time.Time // zero: members were not yet told that the end is near
	BuriedAt  time.Time // zero: undelivered messages of an expired conversation were not yet declared dead
	ErasedAt  time.Time // zero: not erased; an erased conversation keeps id, times and Head, nothing else
	DueAt     time.Time // when Sweep must look at it next; zero: never
	LastSeq   int64     // sequence number of the newest message; 0 before the first
	PausedAt  time.Time // zero: not paused
	PausedBy  string    // [PersonName] or [ProgramName]; empty: not paused
	Turns     int       // turns of talk since anything got done, for the loop guard
	SpokeBy   string    // whose turn the newest was; empty: nobody's
	SpokeAt   time.Time // when that was
	LastTask  int64     // number of the newest task; 0 before the first
	LastFence int64     // token of the newest lease; 0 before the first
	SeenAt    time.Time // the latest tx.Now of an update, so that a clock stepping back a little is clamped
	Key       []byte    // 32 random bytes: keys message ids, redaction marks and content hashes; dropped by erasure
	Head      []byte    // audit.Head of its log
}

// Member is an agent's seat in a conversation. An invited partner has a seat, and messages wait for it, before it joins.
type Member struct {
	Conversation ConversationID
	Name         string
	Role         string
	Rank         Rank
	Agent        AgentID   // empty until the invite is redeemed
	InvitedAt    time.Time // when the seat was made
	JoinedAt     time.Time // zero: invited, not yet here
	RevokedAt    time.Time // zero: not revoked; a revoked seat can be invited anew
	Status       Status    // empty until said
	Note         string
	StatusAt     time.Time
	SilentAt     time.Time // since when the watchdog knows it to be silent; zero: it is not
}

// Present reports whether the seat is taken by an agent that has not been revoked.
func (m Member) Present() bool { return !m.JoinedAt.IsZero() && m.RevokedAt.IsZero() }

// Invite is a single-use join code for one named member. The code itself is not stored.
type Invite struct {
	ID           string // the public half of the code: 16 hex digits
	Conversation ConversationID
	Name         string
	KeyID        string
	Tag          []byte // HMAC over id, secret, conversation, name and expiry
	CreatedAt    time.Time
	ExpiresAt    time.Time
	UsedAt       time.Time // zero: not used
	UsedBy       AgentID
	Failures     int // wrong secrets tried; at five the invite is void
	Void         bool
}

// Message is what was said, once. Its JSON is the message shape of the tools, where Text is framed.
type Message struct {
	ID           MessageID      `json:"message_id"`
	Conversation ConversationID `json:"conversation_id"`
	Seq          int64          `json:"seq"`
	From         string         `json:"from"`
	Role         string         `json:"role"`
	Rank         Rank           `json:"rank"`
	Text         string         `json:"text"`
	ActionType   ActionType     `json:"action_type"`
	Files        []string       `json:"files_involved"`
	ReplyTo      MessageID      `json:"reply_to,omitempty"`
	SentAt       time.Time      `json:"sent_at"`
	Redelivered  bool           `json:"redelivered"`

	Digest   string `json:"-"` // HMAC of the content as it came, to tell a retry from a conflict
	Redacted int    `json:"-"` // how many secrets were masked
}

// DeliveryState is where one recipient's copy of a message stands.
type DeliveryState string

// The delivery states. Stored and Delivered may alternate until Acked or Dead, which are final.
const (
	Stored    DeliveryState = "stored"    // waits for its recipient
	Delivered DeliveryState = "delivered" // handed to an instance, which has not come back yet
	Acked     DeliveryState = "acked"     // the client took the batch and came back
	Dead      DeliveryState = "dead"      // will never be delivered; Reason says why
)

// DeadReason says why a delivery is dead.
type DeadReason string

// The dead reasons.
const (
	DeadAttempts  DeadReason = "attempts"
	DeadInboxFull DeadReason = "inbox_full"
	DeadExpired   DeadReason = "expired"
	DeadRevoked   DeadReason = "revoked"
)

// How says how an ack came about: named by its receipt, or implied by coming back after an answer that was written whole.
type How string

// The ways of acking.
const (
	Explicit How = "explicit"
	Implied  How = "implied"
)

// Delivery is one recipient's copy of a message.
type Delivery struct {
	Conversation ConversationID `json:"-"`
	Recipient    string         `json:"to"`
	Seq          int64          `json:"-"`
	Message      MessageID      `json:"message_id"`
	State        DeliveryState  `json:"state"`
	At           time.Time      `json:"at"` // when it came into this state
	Reason       DeadReason     `json:"reason,omitempty"`
	How          How            `json:"how,omitempty"`

	Attempts int      `json:"-"` // how often it was handed out
	Receipt  Receipt  `json:"-"` // the batch it was last part of; kept after the ack
	Instance Instance `json:"-"` // where that batch went
}

// Holder is an instance that holds deliveries it has not acked.
type Holder struct {
	Conversation ConversationID
	Recipient    string
	Instance     Instance
	Since        time.Time // when the oldest of them was handed out
}

// Presence is what the bridge saw of one instance of an agent.
type Presence struct {
	Agent       AgentID
	Instance    Instance
	StartedAt   time.Time // first seen
	HeartbeatAt time.Time // the process was there
	ProgressAt  time.Time // its model did something; zero: never
	EndedAt     time.Time // zero: did not say goodbye
}

// LogEntry is one record of an audit log as the store keeps it. Record is what is hashed.
type LogEntry struct {
	Log    string // a conversation's id, or [DeploymentLog]
	N      int64  // position from 0
	At     time.Time
	Actor  string
	Action string
	Record []byte
}

// Grown is a conversation whose log is longer than the deployment's log last told.
type Grown struct {
	Conversation ConversationID
	Size         int64 // of its log
}

// DeploymentLog is the name of the log of what concerns no single conversation: keys, tokens, clean-up, refusals.
const DeploymentLog = "deployment"
