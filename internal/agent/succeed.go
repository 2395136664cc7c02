package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/mcpserver"
)

// Keeping is where an agent's token is kept on this machine, for all its processes.
type Keeping struct {
	// Turn waits until no other process of the agent changes the token, until release is called.
	Turn func(context.Context) (release func() error, err error)
	Read func() (token string, err error)
	// Write replaces the token, whole or not at all.
	Write func(token string) error
}

// Keep lets the hub's token be succeeded by another where it ends with the key that signed it: while it is followed, in time, by the hub's own
// word. Of several processes of the agent one asks for it, and the others take it from where it is kept. Call it before anything else.
func (h *Hub) Keep(where Keeping) { h.kept = &where }

const succeedTimeout = 10 * time.Second

// errSucceeded ends a connection whose token has been succeeded by another.
var errSucceeded = errors.New("the token has a successor")

// succeed gets another token and puts it into use. What fails is tried again at the hub's next word: a third of the token's life is left.
func (h *Hub) succeed(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, succeedTimeout)
	defer cancel()
	release, err := h.kept.Turn(ctx)
	if err != nil {
		return nil
	}
	defer release()
	token, err := h.kept.Read()
	if err != nil {
		return nil
	}
	if token == h.bearer() {
		if token, err = h.nextToken(ctx); err != nil || h.kept.Write(token) != nil {
			return nil
		}
	}
	h.token.Store(&token)
	return errSucceeded
}

// nextToken asks the hub for a token that follows this one. One whose answer is lost stays unused until its end.
func (h *Hub) nextToken(ctx context.Context) (string, error) {
	body, err := json.Marshal(mcpserver.AgentCall{Request: json.RawMessage("{}")})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url.JoinPath(mcpserver.AgentsPath, "succeed_token").String(), bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+h.bearer())
	req.Header.Set("Content-Type", "application/json")
	res, err := h.client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if err := h.refusal(res, "application/json"); err != nil {
		return "", err
	}
	var answer mcpserver.AgentAnswer
	if err := json.NewDecoder(io.LimitReader(res.Body, maxLine)).Decode(&answer); err != nil {
		return "", err
	}
	if answer.Error != nil {
		return "", answer.Error
	}
	var next mcpserver.Succeeded
	if err := json.Unmarshal(answer.Result, &next); err != nil || !keepable(next.Token) {
		return "", bridge.Errorf(bridge.Unavailable, "the hub gave no token")
	}
	return next.Token, nil
}
