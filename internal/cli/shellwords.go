package cli

import "strings"

// inShell says in the shell's words what the bridge says in those of the tools. Of two that begin alike the longer is first.
func inShell(text string) string { return shellWords.Replace(text) }

var shellWords = strings.NewReplacer(
	"create_conversation with conversation_id", "agentbridge invite",
	"create_conversation", "agentbridge create",
	"call join_conversation", "run agentbridge join",
	"join_conversation", "agentbridge join",
	"check_messages", "agentbridge check",
	"check_partners", "agentbridge partners",
	"update_status", "agentbridge set-status",
	"update_task", "agentbridge task update",
	"add_task", "agentbridge task add",
	"claim_task without task_id", "agentbridge task claim without an id",
	"claim_task", "agentbridge task claim",
	"list_tasks", "agentbridge task list",
	"send tells", "agentbridge send tells",
	`partners:[{"name":"beta","role":"tester"}]`, "--partner beta=tester",

	"action_type", "--action-type",
	"assign_to", "--assign-to",
	"conversation_id", "--conversation-id",
	"files_involved", "--file",
	"lease_minutes", "--lease-minutes",
	"lease_token", "--lease-token",
	"reply_to", "--reply-to",
	"ttl_minutes", "--ttl-minutes",
	"wait_seconds", "--wait",
	"message_id", "message's id",
	"task_id", "task's id",
)
