package daemon

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"agentbridge/internal/bridge"
)

const (
	webhookTime   = 10 * time.Second // from dialling to the end of the answer
	webhookHead   = 64 << 10         // bytes of an answer's head
	webhookBody   = 64 << 10         // bytes of an answer's body that are read, and thrown away
	webhookReason = 200              // bytes of an error's text
	minSecret     = 16
	secretPrefix  = "whsec_"
)

// ParseWebhook reads the address of a webhook: https anywhere, or http to a loopback address or localhost. The text of its error goes
// on from the setting's name, and does not hold the address, which may be a secret as a whole.
func ParseWebhook(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, errors.New("is not a URL")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("must begin with https://, or with http:// to a loopback address")
	case u.Hostname() == "":
		return nil, errors.New("names no host")
	case u.Scheme == "http" && !loopbackName(u.Host):
		return nil, errors.New("must be https: http would cross the network in clear, and is for loopback addresses only")
	}
	return u, nil
}

// ParseSecret reads the secret that signs what goes to a webhook: whsec_ and base64, as Standard Webhooks has it, or any text of at
// least 16 characters, which is taken as it is. The text of its error goes on from the setting's name.
func ParseSecret(text string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(text, secretPrefix)
	if !ok {
		if len(text) < minSecret {
			return nil, fmt.Errorf("must have at least %d characters", minSecret)
		}
		return []byte(text), nil
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, errors.New("is not base64 after whsec_")
	}
	if len(key) < minSecret {
		return nil, fmt.Errorf("must hold at least %d bytes in base64 after whsec_", minSecret)
	}
	return key, nil
}

// Webhook is the sink that posts each alert's JSON to an address, signed as Standard Webhooks 1.0 says: webhook-id is the alert's id
// and the same at every try, webhook-timestamp the time of the try in seconds, webhook-signature "v1," and the base64 of
// HMAC-SHA256(key, id.timestamp.body). Any answer of 200 to 299 within ten seconds takes the alert.
//
// It goes straight to that address: redirects are failures, and the proxies that the environment names are not used. Where the
// address is http, a connection to anything but a loopback address is refused when it is made, whatever the name resolves to by
// then. Its errors name the address's host and nothing else of it.
func Webhook(address *url.URL, key []byte) Sink {
	client := webhookClient(address)
	return Sink{Kind: "webhook", Name: sinkName("webhook", address.String()), Send: func(ctx context.Context, a bridge.Alert) error {
		ctx, cancel := context.WithTimeoutCause(ctx, webhookTime, fmt.Errorf("no answer within %s", webhookTime))
		defer cancel()
		req, err := signed(ctx, address, key, a)
		if err == nil {
			err = post(client, req)
		}
		if err != nil {
			return fmt.Errorf("webhook at %s: %w", address.Host, err)
		}
		return nil
	}}
}

func webhookClient(address *url.URL) *http.Client {
	dialer := &net.Dialer{}
	if address.Scheme == "http" {
		dialer.Control = onlyLoopback
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                  nil, // it would see the alerts, and could go anywhere with them
			DialContext:            dialer.DialContext,
			DisableKeepAlives:      true, // alerts are rare
			DisableCompression:     true, // so that the bound on the body is one on the work
			MaxResponseHeaderBytes: webhookHead,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// signed makes the request for one alert.
func signed(ctx context.Context, address *url.URL, key []byte, a bridge.Alert) (*http.Request, error) {
	body, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address.String(), bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the address makes no request") // its text would hold the address
	}
	at := strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", a.ID, at, body)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "agentbridge")
	req.Header.Set("Webhook-Id", string(a.ID))
	req.Header.Set("Webhook-Timestamp", at)
	req.Header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return req, nil
}

func post(client *http.Client, req *http.Request) error {
	res, err := client.Do(req)
	if err != nil {
		return plain(req.Context(), err)
	}
	defer res.Body.Close()
	answer := fmt.Sprintf("it answered %d %s", res.StatusCode, http.StatusText(res.StatusCode))
	switch {
	case res.StatusCode >= 300 && res.StatusCode < 400:
		return errors.New(answer + ", and redirects are not followed")
	case res.StatusCode < 200 || res.StatusCode > 299:
		return errors.New(answer)
	}
	// The status is the answer. The body is read so that the other side is not cut off in the middle of it, as far as that is cheap.
	io.Copy(io.Discard, io.LimitReader(res.Body, webhookBody))
	return nil
}

// plain is the text of a failed request without its address, and not as long as the other side likes.
func plain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if at, ok := errors.AsType[*url.Error](err); ok {
		err = at.Err
	}
	if text := err.Error(); len(text) > webhookReason {
		return errors.New(strings.ToValidUTF8(text[:webhookReason], "") + "…")
	}
	return err
}

// onlyLoopback refuses a connection to any other address, looked at when it is made: what a name resolved to before says nothing.
func onlyLoopback(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !to.Addr().Unmap().IsLoopback() {
		return errors.New("the address is http and resolves to another machine: use https")
	}
	return nil
}
