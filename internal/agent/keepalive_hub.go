package agent

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unicode"

	"agentbridge/internal/bridge"
)

const (
	keepAlivePath = "/keepalive"
	// missedBeats is how many heartbeats of a hub may be missing before it counts as away.
	missedBeats = 3
	// slowestBeat bounds what a hub may say about its heartbeat.
	slowestBeat = 5 * time.Minute
	maxLine     = 64 << 10
	maxReason   = 100
)

// Hub is a hub far or near, as the source of a keep-alive. Make it with [NewHub].
type Hub struct {
	url    *url.URL
	client *http.Client
	token  atomic.Pointer[string] // it changes where it is succeeded
	kept   *Keeping               // nil: nobody keeps a successor
	beat   time.Duration          // how often the hub shows that it is there, until it says so itself
}

// NewHub is the hub at an address, also with /mcp behind it, to an agent with that token; see [HubClient]. It connects to nothing yet.
func NewHub(at bridge.HubAddress, token string, heartbeat time.Duration) (*Hub, error) {
	u, err := hubURL(at.URL)
	if err != nil {
		return nil, err
	}
	client, err := HubClient(at)
	if err != nil {
		return nil, err
	}
	h := &Hub{url: u, beat: heartbeat, client: client}
	h.token.Store(&token)
	return h, nil
}

func (h *Hub) bearer() string { return *h.token.Load() }

func (h *Hub) what() string  { return "hub" }
func (h *Hub) where() string { return h.url.String() }

var errMute = errors.New("no sign of life")

func (h *Hub) follow(ctx context.Context, tell func(bridge.KeepAlive) error) error {
	for {
		if err := h.followOnce(ctx, tell); !errors.Is(err, errSucceeded) {
			return err
		}
	}
}

// followOnce is one connection, with one token.
func (h *Hub) followOnce(ctx context.Context, tell func(bridge.KeepAlive) error) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	// A connection that is cut off by the network says nothing of it, and neither does a hub that hangs.
	mute := time.AfterFunc(missedBeats*h.beat, func() { end(errMute) })
	defer mute.Stop()
	defer h.client.CloseIdleConnections() // the next one is to be a new one
	err := h.stream(ctx, func(k bridge.KeepAlive) error {
		mute.Reset(missedBeats * heartbeatOf(k, h.beat))
		if err := tell(k); err != nil || !k.TokenEnds || h.kept == nil {
			return err
		}
		return h.succeed(ctx)
	})
	if context.Cause(ctx) == errMute {
		return errMute
	}
	return err
}

// stream is one request, to its end.
func (h *Hub) stream(ctx context.Context, tell func(bridge.KeepAlive) error) error {
	res, err := h.get(ctx, h.url.JoinPath(keepAlivePath), "text/event-stream")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data:"))
		if !ok {
			continue // empty, a comment, or something of a hub to come
		}
		k, err := said(data)
		if err != nil {
			return err
		}
		if err := tell(k); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return io.EOF
}

func (h *Hub) waiting(ctx context.Context) (k bridge.KeepAlive, err error) {
	once := h.url.JoinPath(keepAlivePath)
	once.RawQuery = "once"
	res, err := h.get(ctx, once, "application/json")
	if err != nil {
		return k, err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxLine))
	if err != nil {
		return k, err
	}
	return said(data)
}

// get makes a request, and gives its answer if it is of the kind that is wanted.
func (h *Hub) get(ctx context.Context, u *url.URL, accept string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+h.bearer())
	req.Header.Set("Accept", accept)
	res, err := h.client.Do(req)
	if err != nil {
		return nil, err
	}
	if err := h.refusal(res, accept); err != nil {
		res.Body.Close()
		return nil, err
	}
	return res, nil
}

// said reads what a hub says.
func said(data []byte) (k bridge.KeepAlive, err error) {
	foreign := func(name string) bool { return !presentable(name) }
	if err := json.Unmarshal(data, &k); err != nil || foreign(k.Name) || slices.ContainsFunc(k.From, foreign) || k.Unread < 0 {
		return k, bridge.Errorf(bridge.Unavailable, "it says what no hub says")
	}
	return k, nil
}

// refusal says what is wrong with an answer that is not the stream. Nothing of what the other side wrote is shown.
func (h *Hub) refusal(res *http.Response, want string) error {
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	var said bridge.Error
	if res.StatusCode != http.StatusOK && kind == "application/json" { // otherwise it is the answer, and is read after this
		_ = json.NewDecoder(io.LimitReader(res.Body, maxLine)).Decode(&said) // if it cannot be read, it said nothing
	}
	ask := "write it like http://127.0.0.1:7483, as `agentbridge serve` says when it starts"
	switch status := res.StatusCode; {
	case status == http.StatusOK && kind == want:
		return nil
	case said.Code == bridge.Expired:
		return bridge.Errorf(bridge.Expired, "the token has expired").
			WithHint("renew it where the hub runs, with `agentbridge token renew`, or join again with a new invite")
	case said.Code == bridge.Denied, status == http.StatusUnauthorized:
		return bridge.Errorf(bridge.Denied, "the hub does not accept the token").
			WithHint("it was revoked, or its key has ended: join again with a new invite. `agentbridge token list` on the hub's machine shows which are valid")
	case status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout:
		return bridge.Errorf(bridge.Unavailable, "status %d", status)
	case status >= 300 && status < 400:
		return bridge.Errorf(bridge.Invalid, "%s sends us elsewhere, and the token is for nobody else", h.where()).WithHint("give the address of the hub itself")
	case status == http.StatusNotFound || status == http.StatusMethodNotAllowed:
		return bridge.Errorf(bridge.NotFound, "there is no %s at %s", keepAlivePath, h.where()).WithHint("%s", ask)
	default:
		return bridge.Errorf(bridge.Invalid, "%s is no hub: it answers with status %d", h.where(), status).WithHint("%s", ask)
	}
}

// heartbeatOf is the hub's heartbeat.
func heartbeatOf(k bridge.KeepAlive, otherwise time.Duration) time.Duration {
	if k.Heartbeat <= 0 {
		return otherwise
	}
	return time.Duration(min(k.Heartbeat, slowestBeat.Seconds()) * float64(time.Second))
}

// presentable reports whether a name can be shown, to people and to models.
func presentable(name string) bool {
	return len(name) <= 64 && strings.IndexFunc(name, func(r rune) bool { return !unicode.IsPrint(r) || unicode.IsSpace(r) }) < 0
}

// reason says in a few words why a connection ended. What the other side wrote could be part of it, so it is made harmless.
func reason(err error) string {
	text := err.Error()
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		text = errno.Error()
	} else if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		text = "the connection ended"
	} else if u, ok := errors.AsType[*url.Error](err); ok {
		text = u.Err.Error()
	}
	runes := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text))
	return string(runes[:min(len(runes), maxReason)])
}
