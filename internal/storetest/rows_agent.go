package storetest

import (
	"testing"

	"agentbridge/internal/bridge"
)

func metaRoundTrips(t *testing.T, e Engine) {
	s := e.start(t)
	get := func(tx bridge.Tx) ([]byte, error) { return tx.Meta("key") }
	missing(t, s, "Meta", get)
	for _, want := range [][]byte{[]byte("one"), {0, 1, 0xff, 0}, {}, []byte(words)} {
		put(t, s, bridge.Deployment, func(tx bridge.Tx) error { return tx.PutMeta("key", want) })
		same(t, "Meta", look(t, s, get), want)
	}
	missing(t, s, "Meta", func(tx bridge.Tx) ([]byte, error) { return tx.Meta("KEY") })
}

func agentRoundTrips(t *testing.T, e Engine) {
	s := e.start(t)
	get := func(tx bridge.Tx) (bridge.Agent, error) { return tx.Agent(agentID(1)) }
	missing(t, s, "Agent", get)

	want := bridge.Agent{ID: agentID(1), Name: words, Local: true, CreatedAt: odd(1)}
	full(t, want)
	put(t, s, bridge.Deployment, func(tx bridge.Tx) error { return tx.PutAgent(want) })
	want.CreatedAt = at(1)
	same(t, "Agent", look(t, s, get), want)

	want = bridge.Agent{ID: agentID(1)}
	put(t, s, bridge.Deployment, func(tx bridge.Tx) error { return tx.PutAgent(want) })
	same(t, "Agent after a second PutAgent", look(t, s, get), want)
	same(t, "Agents", look(t, s, bridge.Tx.Agents), []bridge.Agent{want})
}

func agentsOrder(t *testing.T, e Engine) {
	s := e.start(t)
	id := pluck(func(a bridge.Agent) bridge.AgentID { return a.ID })
	all := func(tx bridge.Tx) ([]bridge.AgentID, error) { return id(tx.Agents()) }
	same(t, "Agents of an empty store", look(t, s, all), []bridge.AgentID{})

	// Names are ordered by their bytes, in every engine and whatever the locale: digits, capitals, "_", small letters.
	put(t, s, bridge.Deployment, func(tx bridge.Tx) error {
		for n, name := range []string{"beta", "a_b", "B", "beta", "a.b", "aB", "9", "a-b"} {
			if err := tx.PutAgent(bridge.Agent{ID: agentID(100 - n), Name: name, CreatedAt: at(n)}); err != nil {
				return err
			}
		}
		return nil
	})
	same(t, "Agents", look(t, s, all), []bridge.AgentID{
		agentID(94), agentID(98), agentID(93), agentID(96), agentID(95), agentID(99), agentID(97), agentID(100),
	})
	named := func(name string) []bridge.AgentID {
		return look(t, s, func(tx bridge.Tx) ([]bridge.AgentID, error) { return id(tx.AgentsNamed(name)) })
	}
	same(t, "AgentsNamed(beta)", named("beta"), []bridge.AgentID{agentID(97), agentID(100)})
	same(t, "AgentsNamed(b)", named("b"), []bridge.AgentID{})
}

func tokenRoundTrips(t *testing.T, e Engine) {
	s := e.start(t)
	get := func(tx bridge.Tx) (bridge.Token, error) { return tx.Token(tokenID(1)) }
	missing(t, s, "Token", get)

	want := bridge.Token{
		ID: tokenID(1), Agent: agentID(1), KeyID: "key1", Tag: []byte{0, 1, 0xff}, Seal: []byte{0xfe, 0},
		CreatedAt: odd(1), ExpiresAt: odd(2), RevokedAt: odd(3),
		Parent: tokenID(2), Rank: bridge.Worker, Conversation: convID(1),
	}
	full(t, want)
	put(t, s, bridge.Deployment, func(tx bridge.Tx) error { return tx.PutToken(want) })
	want.CreatedAt, want.ExpiresAt, want.RevokedAt = at(1), at(2), at(3)
	same(t, "Token", look(t, s, get), want)

	want = bridge.Token{ID: tokenID(1), Agent: agentID(2)}
	put(t, s, bridge.Deployment, func(tx bridge.Tx) error { return tx.PutToken(want) })
	same(t, "Token after a second PutToken", look(t, s, get), want)
}

func tokensOrder(t *testing.T, e Engine) {
	s := e.start(t)
	id := pluck(func(k bridge.Token) bridge.TokenID { return k.ID })
	of := func(agent bridge.AgentID) []bridge.TokenID {
		return look(t, s, func(tx bridge.Tx) ([]bridge.TokenID, error) { return id(tx.Tokens(agent)) })
	}
	same(t, "Tokens of nobody", of(""), []bridge.TokenID{})
	put(t, s, bridge.Deployment, func(tx bridge.Tx) error {
		for _, k := range []bridge.Token{
			{ID: tokenID(1), Agent: agentID(1), CreatedAt: at(3)},
			{ID: tokenID(2), Agent: agentID(2), CreatedAt: at(2)},
			{ID: tokenID(3), Agent: agentID(1), CreatedAt: at(1), RevokedAt: at(4)},
		} {
			if err := tx.PutToken(k); err != nil {
				return err
			}
		}
		return nil
	})
	same(t, "Tokens(agent 1)", of(agentID(1)), []bridge.TokenID{tokenID(3), tokenID(1)})
	same(t, "Tokens of all", of(""), []bridge.TokenID{tokenID(3), tokenID(2), tokenID(1)})
}
