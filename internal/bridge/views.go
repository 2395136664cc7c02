package bridge

import (
	"strconv"
	"time"
)

// What the person in charge sees. These views need no token: who may open the store's file, or sits at the hub, may look.

// Phase is where a conversation stands in its life.
type Phase string

// The phases, in order.
const (
	Open      Phase = "open"
	Ended     Phase = "ended"  // expired or closed less than an hour ago: readable, nothing can be sent
	Buried    Phase = "buried" // over; what was not delivered is dead
	Forgotten Phase = "erased" // content erased, log kept
)

// Summary is a conversation in a list.
type Summary struct {
	Conversation ConversationID    `json:"conversation_id"`
	Title        string            `json:"title"`
	Phase        Phase             `json:"phase"`
	CreatedAt    time.Time         `json:"created_at"`
	ExpiresAt    time.Time         `json:"expires_at"`
	Members      []string          `json:"members"`
	Messages     int64             `json:"messages"`
	Waiting      int               `json:"waiting"`             // copies not acked yet
	Tasks        map[TaskState]int `json:"tasks"`               // how many in each state that has any
	PausedAt     *time.Time        `json:"paused_at"`           // null: not paused
	PausedBy     string            `json:"paused_by,omitempty"` // person or bridge
	Problems     []string          `json:"problems"`
}

// Standing is where everything stands, at one moment: what a person looks at first.
type Standing struct {
	At            time.Time              `json:"at"`
	Limits        string                 `json:"limits"`         // in force in the process that tells: default, strict or off
	SweptAt       *time.Time             `json:"swept_at"`       // when somebody was last known to sweep; null: never
	Fork          *Fork                  `json:"fork,omitempty"` // null: the deployment's log is the one that was seen before
	Conversations []ConversationStanding `json:"conversations"`  // open ones, newest first
}

// ConversationStanding is where one conversation stands.
type ConversationStanding struct {
	Summary
	Roster []MemberStanding `json:"roster"`
	Waits  []Wait           `json:"waits"`
}

// MemberStanding is where one member stands.
type MemberStanding struct {
	PartnerState
	Unread  int      `json:"unread"`  // copies that wait for it
	Overdue int      `json:"overdue"` // copies not acked for longer than is usual; at most 100 are counted
	Holds   []TaskID `json:"holds"`
}

// WaitFor says what somebody waits for.
type WaitFor string

// What there is to wait for.
const (
	WaitAnswer WaitFor = "answer" // On was asked a question and has not answered; Subject is the message
	WaitAck    WaitFor = "ack"    // On has not acked a message for longer than is usual; Subject is the oldest
	WaitTask   WaitFor = "task"   // On holds, or is assigned, what must be done before a task of Who; Subject is that task of On
)

// Wait says that one member waits for another.
type Wait struct {
	Who     string    `json:"who"`
	On      string    `json:"on"`
	For     WaitFor   `json:"for"`
	Subject string    `json:"subject"`
	Since   time.Time `json:"since"`
}

// View is one conversation, whole.
type View struct {
	Summary
	Roster     []PartnerState   `json:"roster"`
	Invites    []InviteState    `json:"invites"`
	Recent     []Message        `json:"recent"` // oldest first, texts as stored, not framed
	Deliveries []DeliveryReport `json:"deliveries"`
	LiveTasks  []TaskView       `json:"live_tasks"` // open and claimed, in the order of adding, at most 50
	Entries    int64            `json:"audit_entries"`
	Root       string           `json:"audit_root"` // base64 of the log's root hash
}

// InviteState is an invite that was not used yet, or why it cannot be.
type InviteState struct {
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
	State     string    `json:"state"` // open used expired void
}

// TokenState is a token as it is listed. It does not hold the secret.
type TokenState struct {
	ID        TokenID    `json:"token_id"`
	Agent     string     `json:"agent"`
	AgentID   AgentID    `json:"agent_id"`
	CreatedAt time.Time  `json:"created_at"`
	KeyID     string     `json:"key_id"`
	ExpiresAt time.Time  `json:"expires_at"` // at the longest: with the key that signed it, and with the tokens it comes from
	RevokedAt *time.Time `json:"revoked_at"`
	State     string     `json:"state"` // valid expired revoked retired forged

	// What a child token is held to.
	Parent       TokenID        `json:"parent,omitempty"`
	Rank         Rank           `json:"rank,omitempty"`
	Conversation ConversationID `json:"conversation_id,omitempty"`
}

// AuditFilter chooses audit entries; zero fields choose all.
type AuditFilter struct {
	Conversation ConversationID // entries of its log only
	Agent        string         // the actor
	Actions      []string       // any of these
	Subject      string         // the id of what was changed
	Since        time.Time      // at or after
	Until        time.Time      // before
	Last         int            // so many of the newest; 0: all
}

// AuditLine is an audit entry as it is shown.
type AuditLine struct {
	Log     string            `json:"log"`
	N       int64             `json:"n"`
	At      time.Time         `json:"at"`
	Actor   string            `json:"actor"`
	Action  string            `json:"action"`
	Subject string            `json:"subject"`
	Facts   map[string]string `json:"facts"`
}

// AuditReport is what verifying one log found.
type AuditReport struct {
	Log     string `json:"log"`
	Entries int64  `json:"entries"`
	Root    string `json:"root"`        // base64
	Marks   int    `json:"known_heads"` // how many heads it is known to have had, each looked for in it
	Fault   string `json:"fault,omitempty"`
}

// Hash is the root itself.
func (r AuditReport) Hash() (root [32]byte, err error) {
	_, root, err = parseRoot(strconv.FormatInt(r.Entries, 10) + " " + r.Root)
	return root, err
}
