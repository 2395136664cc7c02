package daemon

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"agentbridge/internal/bridge"
)

// anAlert is one such as the bridge raises.
var anAlert = bridge.Alert{
	ID: "alert_0123456789abcdef", Conversation: "conv_0123456789abcdef", Kind: bridge.AlertSilent,
	At: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), Member: "beta", Task: "task_0123456789abcdef", Text: "beta fell silent: its process ended",
}

const aSecret = "whsec_" + "C2FVsBQIhrscChlQIMV+b5sSYspob7oD"

// receiver is a server that keeps what it is sent and answers as answer says.
type receiver struct {
	*httptest.Server
	mu   sync.Mutex // guards seen
	seen []request
}

type request struct {
	method, path string
	head         http.Header
	body         []byte
}

func receive(t *testing.T, answer http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		r.seen = append(r.seen, request{req.Method, req.URL.RequestURI(), req.Header, body})
		r.mu.Unlock()
		answer(w, req)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) requests() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]request(nil), r.seen...)
}

// hook is the sink for an address, made as the settings make it.
func hook(t *testing.T, address string) Sink {
	t.Helper()
	u, err := ParseWebhook(address)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ParseSecret(aSecret)
	if err != nil {
		t.Fatal(err)
	}
	return Webhook(u, key)
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// verify does what a receiver does, from the text of Standard Webhooks alone.
func verify(t *testing.T, r request) {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString("C2FVsBQIhrscChlQIMV+b5sSYspob7oD")
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, key)
	io.WriteString(mac, r.head.Get("webhook-id")+"."+r.head.Get("webhook-timestamp")+"."+string(r.body))
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); r.head.Get("webhook-signature") != want {
		t.Errorf("webhook-signature %q, want %q", r.head.Get("webhook-signature"), want)
	}
	at, err := strconv.ParseInt(r.head.Get("webhook-timestamp"), 10, 64)
	if err != nil || time.Since(time.Unix(at, 0)).Abs() > time.Minute {
		t.Errorf("webhook-timestamp %q, want now in seconds", r.head.Get("webhook-timestamp"))
	}
}

func TestWebhook_SignsTheAlertSoThatAReceiverCanVerifyIt(t *testing.T) {
	r := receive(t, status(http.StatusNoContent))
	sink := hook(t, r.URL+"/alerts?key=1")
	for range 2 { // a second try has the same id
		if err := sink.Send(t.Context(), anAlert); err != nil {
			t.Fatal(err)
		}
	}
	got := r.requests()
	if len(got) != 2 {
		t.Fatalf("%d requests, want 2", len(got))
	}
	for _, req := range got {
		verify(t, req)
		if req.method != "POST" || req.path != "/alerts?key=1" || req.head.Get("Content-Type") != "application/json" || req.head.Get("Webhook-Id") != string(anAlert.ID) {
			t.Errorf("%s %s with %v, want a POST of JSON with the alert's id", req.method, req.path, req.head)
		}
		var sent bridge.Alert
		if err := json.Unmarshal(req.body, &sent); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(anAlert, sent); diff != "" {
			t.Errorf("the body (-alert +sent):\n%s", diff)
		}
	}
}

func TestWebhook_OnlyAGoodAnswerTakesTheAlert(t *testing.T) {
	for code, want := range map[int]string{
		200: "", 202: "", 299: "", 304: "redirects are not followed", 400: "it answered 400 Bad Request",
		410: "it answered 410 Gone", 500: "it answered 500 Internal Server Error", 503: "it answered 503 Service Unavailable",
	} {
		r := receive(t, status(code))
		err := hook(t, r.URL).Send(t.Context(), anAlert)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("after %d: %v, want %q", code, err, want)
		}
	}
}

// Where a receiver sends us elsewhere, elsewhere is not asked.
func TestWebhook_FollowsNoRedirect(t *testing.T) {
	for _, code := range []int{301, 302, 303, 307, 308} {
		private := receive(t, status(200))
		r := receive(t, func(w http.ResponseWriter, req *http.Request) { http.Redirect(w, req, private.URL+"/admin", code) })
		err := hook(t, r.URL).Send(t.Context(), anAlert)
		if err == nil || !strings.Contains(err.Error(), "redirects are not followed") {
			t.Errorf("after %d: %v, want a failure that says why", code, err)
		}
		if n := len(private.requests()); n != 0 {
			t.Errorf("after %d the other server was asked %d times", code, n)
		}
	}
}

func TestWebhook_UsesNoProxyOfTheEnvironment(t *testing.T) {
	// Only looked at: for loopback Go never asks the environment, and nothing else is to be reached from a test.
	if client := webhookClient(&url.URL{Scheme: "https", Host: "example.com"}); client.Transport.(*http.Transport).Proxy != nil {
		t.Error("the client would ask for a proxy")
	}
}

func TestWebhook_GivesUpOnOneThatNeverAnswers(t *testing.T) {
	hold := make(chan struct{})
	for name, answer := range map[string]http.HandlerFunc{
		"no answer": func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-hold:
			case <-r.Context().Done():
			}
		},
		"a head without end": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Filler", strings.Repeat("x", 1<<20))
			w.WriteHeader(200)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := receive(t, answer)
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			start := time.Now()
			err := hook(t, r.URL).Send(ctx, anAlert)
			if err == nil || time.Since(start) > 5*time.Second {
				t.Errorf("Send = %v after %v, want an error soon after the end of ctx", err, time.Since(start))
			}
		})
	}
	close(hold)
}

// The body of an answer is not ours to read for ever, nor to keep.
func TestWebhook_TakesAGoodAnswersWordWithoutItsEndlessBody(t *testing.T) {
	r := receive(t, func(w http.ResponseWriter, req *http.Request) {
		w.WriteHeader(200)
		for req.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 32<<10)); err != nil {
				return
			}
		}
	})
	start := time.Now()
	if err := hook(t, r.URL).Send(t.Context(), anAlert); err != nil || time.Since(start) > 5*time.Second {
		t.Errorf("Send = %v after %v, want success soon", err, time.Since(start))
	}
}

func TestWebhook_ItsErrorsNameTheHostAlone(t *testing.T) {
	r := receive(t, status(500))
	at, _ := url.Parse(r.URL)
	down := httptest.NewServer(nil)
	down.Close()
	downAt, _ := url.Parse(down.URL)
	for _, host := range []string{at.Host, downAt.Host} {
		err := hook(t, "http://ann:"+"hunter2@"+host+"/hunter2?key=hunter2#hunter2").Send(t.Context(), anAlert)
		if err == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "ann") || !strings.Contains(err.Error(), host) {
			t.Errorf("the error is %q, want the host %s and nothing else of the address", err, host)
		}
	}
}

// A name that meant this machine when the settings were read may mean another later.
func TestWebhook_ConnectsInClearToLoopbackOnly(t *testing.T) {
	for to, want := range map[string]bool{
		"127.0.0.1:80": true, "127.9.9.9:80": true, "[::1]:80": true, "[::ffff:127.0.0.1]:80": true,
		"192.0.2.1:80": false, "10.0.0.1:80": false, "[2001:db8::1]:80": false, "0.0.0.0:80": false, "[::]:80": false, "[fe80::1%eth0]:80": false, "nonsense": false,
	} {
		if err := onlyLoopback("tcp", to, nil); (err == nil) != want {
			t.Errorf("connecting to %s: %v, want allowed %v", to, err, want)
		}
	}
	// It is asked when the connection is made: an address that got past the settings is still refused.
	err := Webhook(&url.URL{Scheme: "http", Host: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), 80).String()}, []byte(aSecret)).Send(t.Context(), anAlert)
	if err == nil || !strings.Contains(err.Error(), "resolves to another machine") {
		t.Errorf("http to another machine: %v, want refused before the first packet", err)
	}
}

func TestParseWebhook_TakesHTTPSAndLoopback(t *testing.T) {
	for address, want := range map[string]string{
		"https://example.com/hooks/1": "", "https://10.0.0.1:8443": "", "http://127.0.0.1:9000/x": "", "http://localhost:9000": "", "http://LOCALHOST": "",
		"http://[::1]:80/": "", "http://127.0.0.2/": "",
		"http://example.com": "must be https", "http://10.0.0.1": "must be https", "http://localhost.example.com": "must be https", "http://127.0.0.1.example.com": "must be https",
		"http://2130706433/": "must be https", "http://0.0.0.0:80": "must be https", "http://127.1/": "must be https", "http://127.0.0.1@example.com/": "must be https",
		"ftp://127.0.0.1": "must begin with https://", "file:///etc/passwd": "must begin with https://", "example.com": "must begin with https://", "//example.com": "must begin with https://",
		"https://": "names no host", "https:///path": "names no host", "https://:443": "names no host", "http://[::1": "is not a URL", "https://a b/": "is not a URL", "https://x:port/": "is not a URL", "": "must begin",
	} {
		_, err := ParseWebhook(address)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("ParseWebhook(%q): %v, want %q", address, err, want)
		}
	}
}

func TestParseSecret_ReadsBothForms(t *testing.T) {
	for text, want := range map[string]string{
		"sixteen letters!":                  "sixteen letters!",
		"whsec_c2l4dGVlbiBsZXR0ZXJzIQ==":    "sixteen letters!",
		"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw=": "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw=",
	} {
		if got, err := ParseSecret(text); err != nil || string(got) != want {
			t.Errorf("ParseSecret(%q) = %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"", "fifteen letters", "whsec_", "whsec_c2hvcnQ=", "whsec_????????????????????????", "whsec_c2l4dGVlbiBsZXR0ZXJzIQ"} {
		if got, err := ParseSecret(text); err == nil {
			t.Errorf("ParseSecret(%q) = %q, want an error", text, got)
		} else if text != "" && strings.Contains(err.Error(), text) && text != "whsec_" {
			t.Errorf("the error %q shows the secret", err)
		}
	}
}
