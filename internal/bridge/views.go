package bridge

import "time"

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
	Conversation ConversationID `json:"conversation_id"`
	Title        string         `json:"title"`
	Phase        Phase          `json:"phase"`
	CreatedAt    time.Time      `json:"created_at"`
	ExpiresAt    time.Time      `json:"expires_at"`
	Members      []string       `json:"members"`
	Messages     int64          `json:"messages"`
	Waiting      int            `json:"waiting"` // copies not acked yet
	Problems     []string       `json:"problems"`
}

// View is one conversation, whole.
type View struct {
	Summary
	Roster     []PartnerState   `json:"roster"`
	Invites    []InviteState    `json:"invites"`
	Recent     []Message        `json:"recent"` // oldest first, texts as stored, not framed
	Deliveries []DeliveryReport `json:"deliveries"`
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
	ExpiresAt time.Time  `json:"expires_at"`
	RevokedAt *time.Time `json:"revoked_at"`
	State     string     `json:"state"` // valid expired revoked forged
}

// AuditFilter chooses audit entries; zero fields choose all.
type AuditFilter struct {
	Conversation ConversationID
	Agent        string // actor
	Action       string
	Since        time.Time
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
	Root    string `json:"root"` // base64
	Fault   string `json:"fault,omitempty"`
}
