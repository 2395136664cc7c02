package bridge

import "log/slog"

// Reading is a bridge for who has no time and only looks at what waits for an agent: [Service.Authenticate], [Service.Waiting] and
// [Service.KeepAlive] work, and nothing else does. It makes none of what writing needs ready: neither the rules that find secrets
// nor the key that signs the log. Where the keys are not those of the store, every token is [Denied].
func Reading(store Store, conf Config, keys *KeyRing) *Service {
	s := &Service{
		store: store, conf: conf, dead: func(Instance) bool { return false }, log: slog.New(slog.DiscardHandler),
		refusals: map[refusal]int{}, refusedAt: map[AgentID]moment{}, ever: map[Code]int{},
	}
	s.keys.Store(keys)
	return s
}
