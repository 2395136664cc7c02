package agent

import (
	"testing"

	"agentbridge/internal/bridge"
)

// A task that another holds is waited for at a hub, too; a receipt that is not good is told at once.
func TestRemote_OnlyWhatCanPassIsWaitedForAsATask(t *testing.T) {
	afar(t, func(t *testing.T, w *town) {
		beta := w.console(true)
		call := func(tool, arguments string) reply {
			beta.line(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + tool + `","arguments":` + arguments +
				`,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}}}}}}`)
			return beta.answer()
		}
		added, err := w.svc.AddTask(w.ctx, w.alpha, bridge.AddTaskRequest{Title: "work"})
		if err == nil {
			_, err = w.svc.ClaimTask(w.ctx, w.alpha, bridge.ClaimTaskRequest{})
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := call("claim_task", `{"task_id":"`+string(added.Task)+`","wait_seconds":240}`); got.Result.TaskID == "" {
			t.Errorf("a claim of a task that alpha holds answered %+v, want a task", got.Result)
		}
		if got := call("check_messages", `{"ack":"bogus","wait_seconds":240}`); got.Result.Structured.Code != string(bridge.Invalid) {
			t.Errorf("a check with a bad receipt answered %+v, want invalid", got.Result)
		}
	})
}
