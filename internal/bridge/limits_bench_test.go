package bridge_test

import (
	"path/filepath"
	"strings"
	"testing"

	"agentbridge/internal/bridge"
	"agentbridge/internal/redact"
	"agentbridge/internal/sqlite"
)

// BenchmarkLimits measures what budgets cost: a send on disk with and without, a long one with the look before its scan, and what is
// not let through.
func BenchmarkLimits(b *testing.B) {
	plenty := bridge.DefaultLimits
	for i := range plenty.Budgets {
		for j := range plenty.Budgets[i].Windows {
			plenty.Budgets[i].Windows[j].Max *= 1 << 20
		}
	}
	plenty.Name = "plenty"
	for _, bb := range []struct {
		name   string
		limits bridge.Limits
		text   string
		spent  bool // before the clock runs
	}{
		{"send/off", bridge.NoLimits, "the parser is done", false},
		{"send/limits", plenty, "the parser is done", false},
		{"send10KB/off", bridge.NoLimits, strings.Repeat("the parser is done. ", 500), false},
		{"send10KB/limits", plenty, strings.Repeat("the parser is done. ", 500), false},
		{"refused", bridge.StrictLimits, "the parser is done", true},
		{"refused10KB", bridge.StrictLimits, strings.Repeat("the parser is done. ", 500), true},
	} {
		b.Run(bb.name, func(b *testing.B) {
			svc, a := benchBridge(b, bb.limits)
			if _, err := svc.Create(b.Context(), a, bridge.CreateRequest{Partners: partners("beta")}); err != nil {
				b.Fatal(err)
			}
			for range 10 {
				if _, err := svc.Send(b.Context(), a, bridge.SendRequest{Message: "x"}); err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				if _, err := svc.Send(b.Context(), a, bridge.SendRequest{Message: bb.text}); err != nil != bb.spent {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("failure/counted", func(b *testing.B) {
		svc, _ := benchBridge(b, plenty)
		for b.Loop() {
			if err := svc.FailedAuthentication(b.Context(), bridge.Origin{Address: "192.0.2.1"}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("failure/refused", func(b *testing.B) {
		svc, _ := benchBridge(b, bridge.StrictLimits)
		for range 10 {
			svc.FailedAuthentication(b.Context(), bridge.Origin{Address: "192.0.2.1"})
		}
		for b.Loop() {
			if svc.FailedAuthentication(b.Context(), bridge.Origin{Address: "192.0.2.1"}) == nil {
				b.Fatal("let through")
			}
		}
	})
}

// benchBridge is a bridge on disk, and an agent.
func benchBridge(b *testing.B, limits bridge.Limits) (*bridge.Service, bridge.Caller) {
	b.Helper()
	store, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "bridge.db"), sqlite.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { store.Close() })
	scanner, err := redact.New(redact.Options{})
	if err != nil {
		b.Fatal(err)
	}
	conf := bridge.Defaults()
	conf.Limits, conf.InboxDepth = limits, 1<<30
	svc, err := bridge.New(b.Context(), store, bridge.Options{Config: conf, Keys: bridge.NewKeyRing(), Scanner: scanner})
	if err != nil {
		b.Fatal(err)
	}
	token, _, err := svc.NewAgent(b.Context(), "alpha", true)
	if err != nil {
		b.Fatal(err)
	}
	a, err := svc.Authenticate(b.Context(), token, bridge.Origin{Instance: store.Instance(), Local: true})
	if err != nil {
		b.Fatal(err)
	}
	return svc, a
}
