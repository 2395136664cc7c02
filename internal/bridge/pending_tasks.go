package bridge

import "context"

func (s *Service) AddTask(ctx context.Context, c Caller, q AddTaskRequest) (AddTaskResult, error) {
	panic("pending")
}

// ClaimTask …
func (s *Service) ClaimTask(ctx context.Context, c Caller, q ClaimTaskRequest) (ClaimTaskResult, error) {
	panic("pending")
}

// UnclaimTask gives a claim back whose answer did not reach the client: as if it had never been made.
func (s *Service) UnclaimTask(ctx context.Context, c Caller, id ConversationID, task TaskID, leaseToken int64) error {
	panic("pending")
}

func (s *Service) UpdateTask(ctx context.Context, c Caller, q UpdateTaskRequest) (UpdateTaskResult, error) {
	panic("pending")
}

func (s *Service) ListTasks(ctx context.Context, c Caller, q ListTasksRequest) (ListTasksResult, error) {
	panic("pending")
}

// Tasks gives the tasks of a conversation with a number above after, for the person; limit 0 means all.
func (s *Service) Tasks(ctx context.Context, id ConversationID, after int64, limit int) ([]TaskView, error) {
	panic("pending")
}
