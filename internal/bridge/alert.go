package bridge

import "time"

// AlertID names an alert: "alert_" and 16 hex digits. Whoever gets an alert twice knows it by this.
type AlertID string

// AlertKind says what an alert is about.
type AlertKind string

// The alert kinds.
const (
	AlertSilent     AlertKind = "silent"      // a member fell silent
	AlertRecovered  AlertKind = "recovered"   // a member that was silent is back
	AlertTaskFailed AlertKind = "task_failed" // a task was given up after its last attempt
	AlertPaused     AlertKind = "paused"      // the loop guard paused a conversation
	AlertCommand    AlertKind = "command"     // an agent asks to run a command
	AlertFork       AlertKind = "fork"        // the deployment's log is not the one that was seen before; of no conversation
)

// Alert is what the watchdog tells people and orchestrators. It holds names, ids and the bridge's own words, never what an agent
// wrote.
type Alert struct {
	ID           AlertID        `json:"alert_id"`
	Conversation ConversationID `json:"conversation_id"` // empty: it concerns all of them
	Kind         AlertKind      `json:"kind"`
	At           time.Time      `json:"at"`
	Member       string         `json:"member,omitempty"`
	Task         TaskID         `json:"task_id,omitempty"`
	Text         string         `json:"text"`
}

// Sending is how far the sending of an alert to a sink has come.
type Sending struct {
	Sink     string // "webhook", "command"
	Alert    AlertID
	Attempts int
	NextAt   time.Time // when it may be tried next
	DoneAt   time.Time // zero: not taken by the sink yet
}
