package agent

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
	"unicode"

	"agentbridge/internal/bridge"
)

const (
	redeemTries   = 4
	redeemTimeout = 10 * time.Second // of one try
	redeemMost    = 20 * time.Second // of all; somebody sits and waits
	joinPath      = "/join"
	maxSpoken     = 500 // characters
)

// Redeem asks the hub that a join code is for to seat a new agent, and gives its token and where the hub is. The nonce is the caller's
// to make and keep: what fails on the way is tried again with it for some seconds, and may be tried again with it later, as long as
// the code says; see [bridge.Service.Redeem]. A code that says nothing of a hub is [bridge.Invalid].
func Redeem(ctx context.Context, code, nonce string) (res bridge.RedeemResult, at bridge.HubAddress, err error) {
	at, _, ok := bridge.CodeHub(code)
	switch {
	case !bridge.WholeCode(code):
		return res, at, bridge.Errorf(bridge.Invalid, "that is no join code, or not all of one").WithHint("copy it from abi1_ to its last character; it is not used up")
	case !ok:
		return res, at, bridge.Errorf(bridge.Invalid, "the code does not say where its hub is").
			WithHint("it was made where no hub runs, so it is for agents of that machine; have one made while `agentbridge serve` runs there")
	}
	u, err := hubURL(at.URL)
	if err != nil {
		return res, at, err
	}
	client, err := HubClient(at)
	if err != nil {
		return res, at, err
	}
	defer client.CloseIdleConnections()
	body, err := json.Marshal(bridge.RedeemRequest{Code: code, Nonce: nonce})
	if err != nil {
		return res, at, err
	}
	within, end := context.WithTimeout(ctx, redeemMost)
	defer end()
	pause := backoff{least: leastPause, most: mostPause}
	for try := 1; ; try++ {
		if res, err = redeemOnce(within, client, u.JoinPath(joinPath).String(), body); err == nil || try == redeemTries || !passing(err) {
			break
		}
		select {
		case <-time.After(pause.next()):
		case <-within.Done():
		}
		if within.Err() != nil {
			break
		}
	}
	if err == nil || ctx.Err() != nil {
		return res, at, cmp.Or(err, ctx.Err())
	}
	if _, ours := errors.AsType[*bridge.Error](err); !ours {
		err = bridge.Errorf(bridge.Unavailable, "the hub at %s cannot be reached: %s", u.Host, reason(err)).
			WithHint("try again with the same code: it is not used up. `agentbridge serve` must run there, and the way to it be open")
	}
	return res, at, err
}

// passing reports whether a failure may be gone a moment later.
func passing(err error) bool {
	e, ours := errors.AsType[*bridge.Error](err)
	return !ours || e.Code == bridge.Unavailable
}

func redeemOnce(ctx context.Context, client *http.Client, address string, body []byte) (res bridge.RedeemResult, err error) {
	ctx, cancel := context.WithTimeout(ctx, redeemTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return res, err
	}
	req.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(req)
	if err != nil {
		return res, err
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(io.LimitReader(answer.Body, maxLine))
	if err != nil {
		return res, err
	}
	kind, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	if kind == "application/json" && answer.StatusCode == http.StatusOK {
		var as struct {
			Agent string `json:"agent"`
		}
		if json.Unmarshal(data, &as) == nil && presentable(as.Agent) && readVisible(data, &res) == nil && keepable(res.Token) {
			return res, nil
		}
	} else if kind == "application/json" {
		var said bridge.Error
		if json.Unmarshal(data, &said) == nil && bridge.Codes[said.Code].HTTP == answer.StatusCode {
			return res, spoken(said)
		}
	}
	return bridge.RedeemResult{}, bridge.Errorf(bridge.Invalid, "what answers there is no hub of ours (status %d)", answer.StatusCode).WithHint("ask whoever invited you whether the hub runs, and for a new code")
}

// readVisible reads what a hub answered, without what would work on the terminal of whoever is shown it: a hub is as good as whoever
// handed its code over.
func readVisible(answer []byte, into any) error {
	clean, err := bridge.Visible(answer)
	if err != nil {
		return err
	}
	return json.Unmarshal(clean, into)
}

// longestToken is more than any of ours has.
const longestToken = 256

// keepable reports whether a token can be one: it is kept as a line of a file and sent in a header.
func keepable(token string) bool {
	return token != "" && len(token) <= longestToken && strings.Trim(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == ""
}

// spoken is a hub's refusal as it may be shown: in one line of printable characters, and not without end.
func spoken(e bridge.Error) error {
	line := func(text string) string {
		runes := []rune(strings.Map(func(r rune) rune {
			if !unicode.IsPrint(r) {
				return ' '
			}
			return r
		}, text))
		return string(runes[:min(len(runes), maxSpoken)])
	}
	e.Message, e.Hint = line(e.Message), line(e.Hint)
	return &e
}
