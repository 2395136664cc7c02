package mcpserver

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"agentbridge/internal/bridge"
)

// KeepAlive serves agents whose client cannot hold a connection: GET with a bearer token opens a stream of server-sent events that
// each hold a [bridge.KeepAlive] as JSON. While it is open it is a heartbeat; see [bridge.Service.KeepAlive] for when it tells what.
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
			s.refuseInJSON(w, err)
			return
		}
		leave := s.svc.Attend(caller)
		defer leave()
		ctx, end := context.WithCancel(r.Context())
		defer end()
		defer context.AfterFunc(s.closing, end)()
		err = s.keepAlive(ctx, w, caller)
		if e := bridge.AsError(err); e.Code == bridge.Internal && ctx.Err() == nil {
			s.log.Warn("keep-alive ended", "agent", caller.Agent(), "error", err)
		}
	})
}

// keepAlive writes the stream.
func (s *Server) keepAlive(ctx context.Context, w http.ResponseWriter, caller bridge.Caller) error {
	w.Header().Set("Content-Type", "text/event-stream")
	unbuffered(w.Header())
	out := http.NewResponseController(w)
	return s.svc.KeepAlive(ctx, caller, func(k bridge.KeepAlive) error {
		data, err := json.Marshal(k)
		if err != nil {
			return err
		}
		// Who does not read is not there. Not every ResponseWriter has deadlines.
		if err := out.SetWriteDeadline(time.Now().Add(keepAliveEvery)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return hungUp{err}
		}
		if _, err := w.Write(append(append([]byte("data: "), data...), "\n\n"...)); err != nil {
			return hungUp{err}
		}
		if err := out.Flush(); err != nil {
			return hungUp{err}
		}
		return nil
	})
}

// hungUp says that the client is not there any more, which is no fault.
type hungUp struct{ error }

func (hungUp) Is(target error) bool { return target == bridge.Unavailable }
