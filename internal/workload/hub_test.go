package workload_test

import (
	"testing"

	"agentbridge/internal/bridge"
	"agentbridge/internal/workload"
)

func TestHub_ComesBackAtItsAddress(t *testing.T) {
	p := workload.Program{Path: build(t), Data: t.TempDir(), Stderr: t.Output()}
	hub, err := p.Serve(t.Context(), workload.Anywhere)
	if err != nil {
		t.Fatal(err)
	}
	token, err := p.Token("alpha")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		alpha, err := hub.Play(t.Context(), "alpha", token)
		if err != nil {
			t.Fatal(err)
		}
		if err := alpha.Call(t.Context(), "check_partners", nil, &bridge.PartnersResult{}); err != nil {
			t.Error(err)
		}
		if err := alpha.Leave(); err != nil {
			t.Error(err)
		}
		if err := hub.Stop(); err != nil {
			t.Error(err)
		}
		if hub, err = p.Serve(t.Context(), hub.Address); err != nil {
			t.Fatal(err)
		}
	}
	hub.Kill()
}
