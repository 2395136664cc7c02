package mcpserver

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"agentbridge/internal/bridge"
)

// KeepAlive serves agents whose client cannot hold a connection: GET with a bearer token opens a stream of server-sent events that
// each hold a [bridge.KeepAlive] as JSON. While it is open it is a heartbeat; see [bridge.Service.KeepAlive] for when it tells what.
//
// With ?once it answers a single [bridge.KeepAlive] as JSON instead and ends, and is no heartbeat: for hooks, which have no time.
//
// It ends when the token is revoked or the server closes, and on the next try the status says which. A refusal is the error shape
// of the tools, with 401 for every token that is not good.
func (s *Server) KeepAlive() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := sameOrigin(r); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		if r.Method != http.MethodGet {
			w.Header().Set("Allow", http.MethodGet)
			http.Error(w, "a keep-alive is a GET", http.StatusMethodNotAllowed)
			return
		}
		caller, err := s.authenticate(r)
		if err != nil {
			s.turnAway(w, err)
			return
		}
		if r.URL.Query().Has("once") {
			s.waiting(w, r, caller)
			return
		}
		leave := s.hub.Attend(caller)
		defer leave()
		ctx, end := context.WithCancel(r.Context())
		defer end()
		defer context.AfterFunc(s.closing, end)()
		if err = s.keepAlive(ctx, w, caller); ctx.Err() == nil && bridge.AsError(err).Code == bridge.Internal {
			s.log.Warn("keep-alive ended", "agent", caller.Agent(), "error", err)
		}
	})
}

// turnAway answers with the error shape of the tools.
func (s *Server) turnAway(w http.ResponseWriter, err error) {
	e, status := s.challenge(w, err)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(e)
}

// waiting answers once.
func (s *Server) waiting(w http.ResponseWriter, r *http.Request, caller bridge.Caller) {
	k, err := s.hub.Waiting(r.Context(), caller)
	if err != nil {
		s.turnAway(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(k)
}

// keepAlive writes the stream.
func (s *Server) keepAlive(ctx context.Context, w http.ResponseWriter, caller bridge.Caller) error {
	w.Header().Set("Content-Type", "text/event-stream")
	neverBuffered(w.Header())
	out := http.NewResponseController(w)
	return s.hub.KeepAlive(ctx, caller, func(k bridge.KeepAlive) error {
		data, err := json.Marshal(k)
		if err != nil {
			return err
		}
		out.SetWriteDeadline(time.Now().Add(keepAliveEvery)) // who does not read is not there; some transports have no deadlines
		fmt.Fprintf(w, "data: %s\n\n", data)                 // its error comes again from Flush
		if err := out.Flush(); err != nil {
			return bridge.Errorf(bridge.Unavailable, "the client is gone: %w", err)
		}
		return nil
	})
}
