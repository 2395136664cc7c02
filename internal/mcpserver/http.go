package mcpserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"agentbridge/internal/bridge"
)

const (
	// modern is the first revision of the protocol without sessions; its clients name it in every request.
	modern          = "2026-07-28"
	protocolVersion = "Mcp-Protocol-Version"
	sessionID       = "Mcp-Session-Id"
	// sessionTimeout is for clients of the older protocol that left without a word.
	sessionTimeout = time.Hour
	// maxBody holds the longest message with every character escaped, and some room.
	maxBody = 2 << 20
)

// Handler serves both generations of the protocol at one address: without sessions to those who name a modern version, with
// sessions to the others. Every request needs a valid bearer token of an agent (RFC 6750), and a session belongs to the token that
// began it.
func (s *Server) Handler() http.Handler {
	get := func(*http.Request) *mcp.Server { return s.mcp }
	stateless := mcp.NewStreamableHTTPHandler(get, &mcp.StreamableHTTPOptions{
		Stateless: true, PropagateRequestCancellation: true,
		DisableLocalhostProtection: s.opt.AnyHost, MaxRequestBodyBytes: maxBody,
	})
	stateful := stateless
	if !s.opt.Sessionless {
		stateful = mcp.NewStreamableHTTPHandler(get, &mcp.StreamableHTTPOptions{
			SessionTimeout:             sessionTimeout,
			DisableLocalhostProtection: s.opt.AnyHost, MaxRequestBodyBytes: maxBody,
		})
	}
	route := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isModern(r) {
			stateless.ServeHTTP(w, r)
		} else {
			stateful.ServeHTTP(w, r)
		}
	})
	// The SDK hands on what this verifier gives, which was verified before.
	carry := auth.RequireBearerToken(func(ctx context.Context, _ string, _ *http.Request) (*auth.TokenInfo, error) {
		return exchangeFrom(ctx).tokenInfo(), nil
	}, &auth.RequireBearerTokenOptions{AllowMissingExpiration: true})(route)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, carry) })
}

// serve takes one HTTP request through its exchange.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	arrived := s.answers.moment()
	if err := sameOrigin(r); err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	caller, err := s.authenticate(r)
	if err != nil {
		s.refuse(w, err)
		return
	}
	defer s.hub.Attend(caller)() // an open request is a heartbeat
	if r.Method == http.MethodGet || r.Header.Get("Mcp-Method") == "subscriptions/listen" {
		good, stop := s.hub.WhileGood(r.Context(), caller) // what stays open ends with the right to it; a call looks by itself
		defer stop()
		r = r.WithContext(good)
	}
	x := &exchange{caller: caller, line: string(caller.Instance), remote: true, about: r.Header.Get("Mcp-Name"), leaving: s.closing}
	if !isModern(r) && !s.opt.Sessionless {
		x.line += "/" + r.Header.Get(sessionID)
	}
	msg, err := identify(w, r, x)
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	if msg != nil && msg.Method == cancelledNotification {
		// Here, because without a session the SDK may drop it.
		var p struct{ RequestID any }
		if json.Unmarshal(msg.Params, &p) == nil {
			s.cancelled(x, p.RequestID)
		}
	}
	x.gone, x.end = context.WithCancel(r.Context())
	defer x.end()
	body := newStream(w, func() bool { return s.answers.holds(x) }, func() bool { s.answers.nearly(x); return r.Context().Err() == nil }, s.cleanAnswer)
	x.opened = body.open
	r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
	if r.Method != http.MethodPost {
		next.ServeHTTP(body, r)
		body.close()
		return
	}
	s.answers.arrived(x, arrived)
	if done, err := s.turn(r.Context()); err == nil { // otherwise nobody waits for it any more
		x.opened = func() { done(); body.open() }
		next.ServeHTTP(body, r)
		done()
	}
	s.giveBack(caller, s.answers.over(x, body.close()))
}

// readers is how many requests are read at once. The SDK takes some 200 KB to read one, however short (go-sdk 1.8.0), so a thousand
// agents that are woken together would take 200 MB.
const readers = 16

// turn waits until a request may be read. Done says that it was, and may be said twice. Its body is here by then, so nobody who sends
// slowly is waited for.
func (s *Server) turn(ctx context.Context) (done func(), err error) {
	select {
	case s.reading <- struct{}{}:
		return sync.OnceFunc(func() { <-s.reading }), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// isModern reports whether a request names a version of the protocol that has no sessions.
func isModern(r *http.Request) bool { return r.Header.Get(protocolVersion) >= modern }

// sameOrigin refuses what a browser sends for another site's page.
func sameOrigin(r *http.Request) error {
	asWrite := r.WithContext(r.Context())
	asWrite.Method = http.MethodPost // reads would pass, and a GET opens a stream here
	return http.NewCrossOriginProtection().Check(asWrite)
}

// identify reads a request's body, and finds its JSON-RPC id where it will be needed: to cancel it, or to mark the notifications it asks
// for. A request that cannot be read is for the SDK to answer.
func identify(w http.ResponseWriter, r *http.Request, x *exchange) (*jsonrpc.Request, error) {
	if r.Method != http.MethodPost {
		return nil, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, err
	}
	r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), failing{err}))
	if isModern(r) && r.Header.Get("Mcp-Method") != "subscriptions/listen" {
		return nil, nil
	}
	msg, _ := decode(body)
	if req, ok := msg.(*jsonrpc.Request); ok {
		x.id = req.ID
		return req, nil
	}
	x.many = true
	return nil, nil
}

// failing is what is left of a body that could not be read to its end.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) {
	if f.err == nil {
		return 0, io.EOF
	}
	return 0, f.err
}

// authenticate finds out who sent a request. The token is looked at first, so that a good one passes whatever its address did before.
func (s *Server) authenticate(r *http.Request) (bridge.Caller, error) {
	fields := strings.Fields(r.Header.Get("Authorization"))
	if len(fields) != 2 || !strings.EqualFold(fields[0], "Bearer") {
		return bridge.Caller{}, errNoToken
	}
	from := bridge.Origin{Address: peer(r)}
	caller, err := s.hub.Authenticate(r.Context(), fields[1], from)
	if errors.Is(err, bridge.Denied) || errors.Is(err, bridge.Expired) {
		if over := s.hub.FailedAuthentication(r.Context(), from); over != nil {
			err = over
		}
	}
	return caller, err
}

// peer is the address at the other end of the connection, never empty. What a header says of it, anybody can write.
func peer(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil && host != "" {
		return host
	}
	return "unknown"
}

var errNoToken = errors.New("no bearer token")

// refuse answers a request of nobody.
func (s *Server) refuse(w http.ResponseWriter, err error) {
	e, status := s.challenge(w, err)
	http.Error(w, e.Text(), status)
}

// challenge sets the headers of an answer to nobody and gives what to say. Why a token is not good is not said, unless it was good
// once: its owner can renew it.
func (s *Server) challenge(w http.ResponseWriter, err error) (e *bridge.Error, status int) {
	e = bridge.AsError(err)
	realm := `Bearer realm="agentbridge"`
	if s.opt.URL != "" {
		realm += `, resource_metadata="` + s.opt.URL + metadataPath + `"`
	}
	challenge := realm + `, error="invalid_token"`
	switch {
	case errors.Is(err, errNoToken):
		challenge = realm
		fallthrough
	case e.Code == bridge.Denied:
		e = bridge.Errorf(bridge.Denied, "a valid bearer token is needed").WithHint("send that of an agent of this bridge; `agentbridge token list` shows which are valid")
	case e.Code == bridge.Expired:
		challenge += `, error_description="the token has expired"`
	default:
		if e.Code == bridge.Internal && !cancelled(err) {
			s.log.Error("authenticate", "error", err)
		}
		if e.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(e.RetryAfter))
		}
		w.Header().Set("Cache-Control", "no-store")
		return e, bridge.Codes[e.Code].HTTP
	}
	w.Header().Set("WWW-Authenticate", challenge)
	w.Header().Set("Cache-Control", "no-store")
	return e, http.StatusUnauthorized
}
