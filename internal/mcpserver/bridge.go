package mcpserver

import (
	"context"
	"time"

	"agentbridge/internal/bridge"
)

// Bridge is what the tools and resources of one agent need of a bridge: a [bridge.Service] in this process, or one behind a hub. The
// contract of each method is that of [bridge.Service]. A bridge that is far away is [bridge.Unavailable] while it cannot be reached, after
// a bounded time, and says who calls by itself: of the caller it looks at nothing but [bridge.Caller.Instance] and
// [bridge.Caller.Passing].
type Bridge interface {
	Create(context.Context, bridge.Caller, bridge.CreateRequest) (bridge.CreateResult, error)
	Join(context.Context, bridge.Caller, bridge.JoinRequest) (bridge.JoinResult, error)
	Send(context.Context, bridge.Caller, bridge.SendRequest) (bridge.SendResult, error)
	Check(context.Context, bridge.Caller, bridge.CheckRequest) (bridge.CheckResult, error)
	SetStatus(context.Context, bridge.Caller, bridge.StatusRequest) (bridge.StatusResult, error)
	Partners(context.Context, bridge.Caller, bridge.PartnersRequest) (bridge.PartnersResult, error)
	AddTask(context.Context, bridge.Caller, bridge.AddTaskRequest) (bridge.AddTaskResult, error)
	ClaimTask(context.Context, bridge.Caller, bridge.ClaimTaskRequest) (bridge.ClaimTaskResult, error)
	UpdateTask(context.Context, bridge.Caller, bridge.UpdateTaskRequest) (bridge.UpdateTaskResult, error)
	ListTasks(context.Context, bridge.Caller, bridge.ListTasksRequest) (bridge.ListTasksResult, error)

	RunCommand(context.Context, bridge.Caller, bridge.RunCommandRequest) (bridge.CommandView, error)
	AnswerCommand(context.Context, bridge.Caller, bridge.CommandAnswer) (bridge.CommandView, error)
	MayAskForCommands(context.Context, bridge.Caller) (bool, error)
	WatchPermits(ctx context.Context) <-chan struct{}

	GiveBack(context.Context, bridge.Caller, bridge.Receipt) error
	UnclaimTask(ctx context.Context, c bridge.Caller, id bridge.ConversationID, task bridge.TaskID, leaseToken int64) error
	Unread(context.Context, bridge.Caller) (int, error)

	AwaitMessages(context.Context, bridge.Caller, bridge.CheckRequest) (ready bool, err error)
	AwaitTask(context.Context, bridge.Caller, bridge.ClaimTaskRequest) (ready bool, err error)
	Conversation(context.Context, bridge.Caller, bridge.ConversationID) (bridge.View, error)
	AwaitChange(ctx context.Context, c bridge.Caller, id bridge.ConversationID, seen bridge.Mark, atMost time.Duration) (bridge.Mark, error)
	WhileGood(context.Context, bridge.Caller) (good context.Context, stop context.CancelFunc)

	Seal(c bridge.Caller, purpose string, what []byte) string
	Unseal(c bridge.Caller, purpose, word string) (what []byte, ok bool)
	Redact(text string) string
}
