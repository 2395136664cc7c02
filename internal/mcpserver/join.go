package mcpserver

import (
	"encoding/json"
	"net/http"
	"strconv"

	"agentbridge/internal/bridge"
)

// maxJoin is the longest request to join, in bytes.
const maxJoin = 4 << 10

// Join serves POST /join: a join code and a nonce, as JSON, become the token of a new agent with its seat. It needs no token, and
// asking again with the same nonce gives the same answer: see [bridge.Service.Redeem]. Refusals have the shape of the tools' errors.
func (s *Server) Join() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if err := sameOrigin(r); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "joining is a POST", http.StatusMethodNotAllowed)
			return
		}
		var q bridge.RedeemRequest
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxJoin)).Decode(&q); err != nil {
			// What it was is not said: it may be a code.
			s.turnDown(w, bridge.Errorf(bridge.Invalid, "the request is not a code and a nonce").WithHint(`send {"code":"abi1_…","nonce":"…"}, or use agentbridge join`))
			return
		}
		res, err := s.hub.Redeem(r.Context(), bridge.Origin{Address: peer(r)}, q)
		if err != nil {
			s.turnDown(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(res)
	})
}

// turnDown answers with the error shape of the tools, and the status of its code.
func (s *Server) turnDown(w http.ResponseWriter, err error) {
	e := bridge.AsError(err)
	if e.Code == bridge.Internal && !cancelled(err) {
		s.log.Error("join", "error", err)
	}
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(e.RetryAfter))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(bridge.Codes[e.Code].HTTP)
	_ = json.NewEncoder(w).Encode(e)
}
