package agent

import (
	"testing"
	"testing/synctest"

	"agentbridge/internal/bridge"
)

func TestRemote_WhatTheHubAnswersDoesNothingToATerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		w.serve(answer(200, "application/json", `{"result":{"messages":[{"from":"al\u001b[2Jpha","text":"a\nb\u001b]0;x\u0007","files_involved":["\u202ef"]}],"receipt":"r\u0007"}}`), func() {})
		defer w.stop()
		got, err := w.far(w.token).Check(w.ctx, bridge.Caller{}, bridge.CheckRequest{})
		if err != nil || len(got.Messages) != 1 {
			t.Fatalf("%+v, %v", got, err)
		}
		if m := got.Messages[0]; m.From != "alpha" || m.Text != "a\nb" || m.Files[0] != "f" || got.Receipt != "r" {
			t.Errorf("it says %+v", got)
		}
	})
}
