package bridge

import "time"

// The requests and results of the tools. Their JSON is the contract of the MCP tools and of the command line's --json.

// You says who the caller is in a conversation.
type You struct {
	Name string `json:"name"`
	Role string `json:"role"`
	Rank Rank   `json:"rank"`
}

// Partner is one to be invited.
type Partner struct {
	Name string `json:"name"`
	Role string `json:"role"`
	Rank Rank   `json:"rank,omitempty"` // empty: by the number of members
}

// CreateRequest makes a conversation, or invites more partners to one where Conversation is given.
type CreateRequest struct {
	Conversation ConversationID `json:"conversation_id,omitempty"`
	Name         string         `json:"name,omitempty"` // the creator's; empty: the agent's own
	Role         string         `json:"role,omitempty"`
	Title        string         `json:"title,omitempty"`
	Partners     []Partner      `json:"partners"`
	TTLMinutes   int            `json:"ttl_minutes,omitempty"` // 0: the default
	// Key makes one conversation of however many tries; empty: each try makes one. A later try voids the codes of those before.
	Key string `json:"key,omitempty"`
}

// InviteCode is an invite as its maker sees it, once.
type InviteCode struct {
	Name      string    `json:"name"`
	Code      string    `json:"code"`
	ExpiresAt time.Time `json:"expires_at"`
}

// CreateResult is what create_conversation gives.
type CreateResult struct {
	Conversation ConversationID `json:"conversation_id"`
	You          You            `json:"you"`
	ExpiresAt    time.Time      `json:"expires_at"`
	Invites      []InviteCode   `json:"invites"`
	Unread       int            `json:"unread"`
}

// JoinRequest redeems an invite: by its code, or, for an agent of this machine, the one addressed to its name.
type JoinRequest struct {
	Code         string         `json:"code,omitempty"`
	Conversation ConversationID `json:"conversation_id,omitempty"` // without a code: which of several
	// Again says that the caller may have joined with this code a moment ago and did not get the answer. Then having joined is no error.
	Again bool `json:"again,omitempty"`
}

// JoinResult is what join_conversation gives.
type JoinResult struct {
	Conversation ConversationID `json:"conversation_id"`
	You          You            `json:"you"`
	Partners     []You          `json:"partners"`
	ExpiresAt    time.Time      `json:"expires_at"`
	Unread       int            `json:"unread"`
}

// SendRequest is a message to be sent.
type SendRequest struct {
	Conversation ConversationID `json:"conversation_id,omitempty"`
	Message      string         `json:"message"`
	To           []string       `json:"to,omitempty"` // names; empty: all partners
	ActionType   ActionType     `json:"action_type,omitempty"`
	Files        []string       `json:"files_involved,omitempty"`
	ReplyTo      MessageID      `json:"reply_to,omitempty"`
	Key          string         `json:"key,omitempty"` // empty: one is made before the first try
}

// Overlap names what another member is doing to the same file: a task it holds, or a message it sent lately.
type Overlap struct {
	File    string    `json:"file"`
	From    string    `json:"from"`
	Message MessageID `json:"message_id,omitempty"`
	Task    TaskID    `json:"task_id,omitempty"`
}

// SendResult is what send gives.
type SendResult struct {
	Conversation ConversationID `json:"conversation_id"`
	Message      MessageID      `json:"message_id"`
	Seq          int64          `json:"seq"`
	To           []string       `json:"to"`
	Dead         []Delivery     `json:"dead,omitempty"` // recipients passed over because their inbox is full
	Redacted     int            `json:"redacted"`
	Duplicate    bool           `json:"duplicate"`
	Overlap      []Overlap      `json:"overlap,omitempty"`
	Unread       int            `json:"unread"`
}

// CheckRequest asks for messages. The order is: ack, wait, lease.
type CheckRequest struct {
	Conversation ConversationID
	Wait         time.Duration // 0 to 240 s
	Limit        int           // 0: 20; at most 50
	// Ack names a batch to be acked explicitly. Implied lists batches whose answers the surface knows to have been written whole and
	// uncancelled before this request arrived; an implied ack that comes too late is not an error.
	Ack     Receipt
	Implied []Receipt
	// Peek leases nothing and acks nothing.
	Peek bool
}

// CheckResult is what check_messages gives. Receipt is empty where there are no messages.
type CheckResult struct {
	Messages []Message `json:"messages"`
	Receipt  Receipt   `json:"receipt,omitempty"`
	More     bool      `json:"more"`
	Unread   int       `json:"unread"` // still waiting after this batch
}

// StatusRequest says how the caller is doing.
type StatusRequest struct {
	Conversation ConversationID `json:"conversation_id,omitempty"`
	Status       Status         `json:"status"`
	Note         string         `json:"note,omitempty"`
}

// StatusResult is what update_status gives.
type StatusResult struct {
	Conversation ConversationID `json:"conversation_id"`
	Status       Status         `json:"status"`
	Unread       int            `json:"unread"`
}

// PartnersRequest asks who is there; without a conversation, in all of the caller's.
type PartnersRequest struct {
	Conversation ConversationID
}

// PartnerState is what the bridge knows of a partner.
type PartnerState struct {
	Conversation ConversationID `json:"conversation_id"`
	Name         string         `json:"name"`
	Role         string         `json:"role"`
	Rank         Rank           `json:"rank"`
	Joined       bool           `json:"joined"`
	Status       Status         `json:"status"` // what it said; empty until it said something
	Note         string         `json:"note"`
	Liveness     Liveness       `json:"liveness"`          // what the bridge saw
	Since        time.Time      `json:"since"`             // when the liveness became so
	LastSeen     *int64         `json:"last_seen_seconds"` // null: never seen
}

// DeliveryReport is the fate of one copy of a message that the caller sent.
type DeliveryReport struct {
	Conversation ConversationID `json:"conversation_id"`
	Delivery
}

// PartnersResult is what check_partners gives. Deliveries are those of the caller's ten newest messages a conversation.
type PartnersResult struct {
	Partners   []PartnerState   `json:"partners"`
	Deliveries []DeliveryReport `json:"deliveries"`
	Unread     int              `json:"unread"`
}
