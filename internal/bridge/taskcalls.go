package bridge

import "time"

// The requests and results of the tools for tasks. As in calls.go, their JSON is the contract.

// TaskView is a task as it is shown.
type TaskView struct {
	ID             TaskID         `json:"task_id"`
	Conversation   ConversationID `json:"conversation_id"`
	Title          string         `json:"title"`
	Detail         string         `json:"detail"`
	State          TaskState      `json:"state"`
	Priority       int            `json:"priority"`
	After          []TaskID       `json:"after"`
	BlockedBy      []Blocker      `json:"blocked_by,omitempty"` // those of After that are not done; one that failed never will be
	AssignTo       string         `json:"assign_to"`
	Holder         string         `json:"holder"` // while it is claimed, and who ended it
	Attempts       int            `json:"attempts"`
	LeaseExpiresAt *time.Time     `json:"lease_expires_at"` // null: it is not claimed
	Result         string         `json:"result"`
	Files          []string       `json:"files_involved"`
	AddedBy        string         `json:"added_by"`
	ChangedAt      time.Time      `json:"changed_at"`
}

// Blocker is a task that another waits for.
type Blocker struct {
	Task  TaskID    `json:"task_id"`
	State TaskState `json:"state"`
}

// AddTaskRequest is a task to be added.
type AddTaskRequest struct {
	Conversation ConversationID
	Title        string
	Detail       string
	AssignTo     string // empty: whoever is free
	Reassign     *bool  // nil: true
	Priority     int
	After        []TaskID
	Files        []string
	LeaseMinutes *int   // nil: the default
	Key          string // empty: one is made before the first try
}

// AddTaskResult is what add_task gives.
type AddTaskResult struct {
	Conversation ConversationID `json:"conversation_id"`
	Task         TaskID         `json:"task_id"`
	Redacted     int            `json:"redacted"`
	Duplicate    bool           `json:"duplicate"`
	Overlap      []Overlap      `json:"overlap,omitempty"`
	Unread       int            `json:"unread"`
}

// ClaimTaskRequest asks for work.
type ClaimTaskRequest struct {
	Conversation ConversationID // empty: any of the caller's
	Task         TaskID         // empty: the best there is
	Wait         time.Duration  // 0 to 240 s
}

// ClaimTaskResult is what claim_task gives.
type ClaimTaskResult struct {
	Task       *TaskView `json:"task"` // null: there was nothing to do
	LeaseToken int64     `json:"lease_token,omitempty"`
	Overlap    []Overlap `json:"overlap,omitempty"`
	Unread     int       `json:"unread"`
	Again      bool      `json:"-"` // the caller held it before this call; such a claim is not to be given back
}

// TaskAction is what update_task does.
type TaskAction string

// The task actions. The first four are the holder's and need its lease token.
const (
	RenewTask    TaskAction = "renew"
	CompleteTask TaskAction = "complete"
	FailTask     TaskAction = "fail"
	ReleaseTask  TaskAction = "release"
	CancelTask   TaskAction = "cancel"
	AssignTask   TaskAction = "assign"
)

// UpdateTaskRequest changes a task.
type UpdateTaskRequest struct {
	Conversation ConversationID
	Task         TaskID
	Action       TaskAction
	LeaseToken   int64
	Result       string
	AssignTo     string // for assign; empty: whoever is free
}

// UpdateTaskResult is what update_task gives.
type UpdateTaskResult struct {
	Task     TaskView `json:"task"`
	Redacted int      `json:"redacted"`
	Unread   int      `json:"unread"`
}

// ListTasksRequest asks for tasks, in the order of adding.
type ListTasksRequest struct {
	Conversation ConversationID // empty: all of the caller's
	State        TaskState      // empty: all
	Limit        int            // 0: 20; at most 100
	Cursor       string         // of the page before
}

// ListTasksResult is what list_tasks gives.
type ListTasksResult struct {
	Tasks  []TaskView `json:"tasks"`
	Cursor string     `json:"cursor,omitempty"` // empty: that is all
	Unread int        `json:"unread"`
}
