package agent

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/mcpserver"
)

const (
	// Messages shall flow again within three seconds of the end of a partition, however long it was. So what is not there is tried again
	// soon, and a connection that is mute is left soon: dialTime is for a connection, greetTime for its TLS, firstSign for a hub's first sign
	// of life on it and nextSign for each that follows. It gives one every [mcpserver.AgentBeat], so one may come late.
	dialTime  = 2 * time.Second
	greetTime = 4 * time.Second
	firstSign = 3 * time.Second
	nextSign  = 2*mcpserver.AgentBeat + 500*time.Millisecond
	// maxAnswer bounds what is read of an answer.
	maxAnswer = 32 << 20

	leastAgain = 100 * time.Millisecond
	mostAgain  = 700 * time.Millisecond
)

// trial is one call that is tried until it is answered.
type trial struct {
	name    string
	caller  bridge.Caller
	request any
	fresh   func(lost bool) any // makes the request of each try, where it depends on when that is and whether an answer got lost; nil: it does not
	call    string              // see [mcpserver.AgentCall]
	until   time.Time           // tried so long at least
}

// unknown is the failure of a call of which nobody knows whether it was done.
type unknown struct{ err *bridge.Error }

func (u unknown) Error() string { return u.err.Error() }
func (u unknown) Unwrap() error { return u.err }

// ofModels are the calls that a model makes, and not its process on its own.
var ofModels = map[string]bool{
	"create": true, "join": true, "send": true, "check": true, "update_status": true, "partners": true,
	"add_task": true, "claim": true, "update_task": true, "list_tasks": true, "run_command": true, "answer_command": true,
}

// ask makes a call that may be made again.
func ask[R any](ctx context.Context, r *Remote, t trial) (res R, err error) {
	lost := false
	err = r.persist(ctx, t, func() (maybe bool, err error) {
		if t.fresh != nil {
			t.request = t.fresh(lost)
		}
		res, maybe, err = once[R](ctx, r, t)
		lost = lost || maybe
		return maybe, err
	})
	return res, err
}

// persist tries until a try is answered, [patience] and the call's own time are over, or ctx ends. try reports whether the hub may have done
// what it was asked although no answer came.
func (r *Remote) persist(ctx context.Context, t trial, try func() (maybe bool, err error)) error {
	if ofModels[t.name] {
		if err := r.news(); err != nil {
			return err
		}
	}
	until := time.Now().Add(patience)
	if t.until.After(until) {
		until = t.until
	}
	pause, lost := backoff{least: leastAgain, most: mostAgain}, false
	for {
		began := time.Now()
		maybe, err := try()
		lost = lost || maybe
		if err == nil || !passes(err) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Since(began) > mostAgain {
			pause.reset()
		}
		wait := pause.next()
		if !time.Now().Add(wait).Before(until) {
			return r.away(err, lost)
		}
		r.log.Debug("call the hub again", "call", t.name, "error", reason(err))
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// passes reports whether trying again can help: what the hub refuses it refuses again.
func passes(err error) bool {
	e, ok := errors.AsType[*bridge.Error](err)
	return !ok || e.Code == bridge.Unavailable
}

// away is the error of a call that no try got an answer to. lost: one of them may have been done.
func (r *Remote) away(err error, lost bool) error {
	if e, ok := errors.AsType[*bridge.Error](err); ok && !lost {
		return e
	}
	e := bridge.Errorf(bridge.Unavailable, "the hub at %s does not answer (%s)", r.hub.where(), reason(err))
	if !lost {
		return e.WithHint("nothing was sent to it; try again when the hub is back")
	}
	return unknown{e.WithHint("nobody knows whether it was done; the same again is safe")}
}

// once makes a call once. maybe: the hub may have done it, although there is no answer.
func once[R any](ctx context.Context, r *Remote, t trial) (res R, maybe bool, err error) {
	request, err := json.Marshal(t.request)
	if err != nil {
		return res, false, err
	}
	body, err := json.Marshal(mcpserver.AgentCall{Call: t.call, Passing: t.caller.Passing, Request: request})
	if err != nil {
		return res, false, err
	}
	answer, maybe, err := r.post(ctx, t.name, body)
	switch {
	case err != nil:
		return res, maybe, err
	case answer.Error != nil:
		if _, known := bridge.Codes[answer.Error.Code]; !known {
			return res, true, strange()
		}
		// An answer of "unavailable" says that nobody knows.
		return res, answer.Error.Code == bridge.Unavailable, spoken(*answer.Error)
	}
	if err := readVisible(answer.Result, &res); err != nil { // not shown: it may show a piece of a text
		return res, true, strange()
	}
	return res, false, nil
}

func strange() error {
	return bridge.Errorf(bridge.Invalid, "the hub's answer cannot be understood").WithHint("the agentbridge of the hub and that of the agent should be of one version")
}

// post sends a request and reads its answer.
func (r *Remote) post(ctx context.Context, name string, body []byte) (answer mcpserver.AgentAnswer, maybe bool, err error) {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	mute := time.AfterFunc(dialTime+greetTime+firstSign, func() { end(errMute) })
	defer mute.Stop()
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:      func(httptrace.GotConnInfo) { mute.Reset(firstSign) },
		WroteHeaders: func() { sent.Store(true) }, // into a buffer, before anything goes out
		WroteRequest: func(i httptrace.WroteRequestInfo) {
			if i.Err != nil { // half a request is none
				sent.Store(false)
			}
		},
	})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.hub.url.JoinPath(mcpserver.AgentsPath, name).String(), bytes.NewReader(body))
	if err != nil {
		return answer, false, err
	}
	req.Header.Set("Authorization", "Bearer "+r.hub.bearer())
	req.Header.Set("Content-Type", "application/json")
	res, err := r.client.Do(req)
	if err == nil {
		defer res.Body.Close()
		answer, err = r.read(res, func() { mute.Reset(nextSign) })
	}
	if bad, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		err = bridge.Errorf(bridge.Denied, "the certificate of the hub at %s is not good: %s", r.hub.where(), reason(bad.Err)).
			WithHint("join with an invite, whose code says how the hub is known, or give the hub a certificate that this machine trusts")
	}
	if err != nil && context.Cause(ctx) == errMute {
		err = errMute
		r.client.CloseIdleConnections() // which went the same way
	}
	return answer, sent.Load() && err != nil && passes(err), err
}

// read reads an answer.
func (r *Remote) read(res *http.Response, alive func()) (answer mcpserver.AgentAnswer, err error) {
	if res.StatusCode == http.StatusRequestEntityTooLarge {
		return answer, bridge.Errorf(bridge.Invalid, "that is too much for one call").WithHint("send it in pieces")
	}
	if res.StatusCode == http.StatusNotFound {
		return answer, bridge.Errorf(bridge.NotFound, "%s serves no agents of other machines", r.hub.where()).
			WithHint("is it the address of a hub, as `agentbridge serve` says when it starts, and of this version?")
	}
	if err := r.hub.refusal(res, "application/json"); err != nil {
		return answer, err
	}
	data, err := io.ReadAll(io.LimitReader(pulse{res.Body, alive}, maxAnswer))
	if err != nil {
		return answer, err
	}
	if err := json.Unmarshal(data, &answer); err != nil || (answer.Error == nil) == (answer.Result == nil) {
		return answer, io.ErrUnexpectedEOF
	}
	return answer, nil
}

// pulse tells when something came.
type pulse struct {
	io.Reader
	alive func()
}

func (p pulse) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	if n > 0 {
		p.alive()
	}
	return n, err
}
