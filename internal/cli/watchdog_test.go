package cli

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/workload"
)

// hurried are settings with which silence shows within a second.
var hurried = []string{
	"AGENTBRIDGE_HEARTBEAT=200ms", "AGENTBRIDGE_SILENT_AFTER=700ms", "AGENTBRIDGE_GONE_AFTER=1h", "AGENTBRIDGE_SWEEP_EVERY=200ms",
}

// alertReceiver stands behind a webhook. It verifies what it is sent by the text of Standard Webhooks, and is deaf at first.
type alertReceiver struct {
	*httptest.Server
	key  []byte
	deaf int // so many requests are answered with 500 first

	mu     sync.Mutex // guards the rest
	asked  int
	alerts map[string]bridge.Alert // by webhook-id
	again  []string                // ids that came again after they had been taken
	wrong  []string
}

func receiveAlerts(t *testing.T, key string, deaf int) *alertReceiver {
	t.Helper()
	r := &alertReceiver{key: []byte(key), deaf: deaf, alerts: map[string]bridge.Alert{}}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *alertReceiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	id := req.Header.Get("webhook-id")
	mac := hmac.New(sha256.New, r.key)
	io.WriteString(mac, id+"."+req.Header.Get("webhook-timestamp")+"."+string(body))
	var a bridge.Alert
	switch {
	case req.Header.Get("webhook-signature") != "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)):
		r.wrong = append(r.wrong, "bad signature")
	case json.Unmarshal(body, &a) != nil || string(a.ID) != id:
		r.wrong = append(r.wrong, "the body is no alert of that id: "+string(body))
	}
	if r.asked++; r.asked <= r.deaf {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	if _, ok := r.alerts[id]; ok {
		r.again = append(r.again, id)
	}
	r.alerts[id] = a
}

// about lists the kinds of alerts about a member, oldest first.
func (r *alertReceiver) about(member string) (kinds []bridge.AlertKind) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []bridge.Alert
	for _, a := range r.alerts {
		if a.Member == member {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, func(a, b bridge.Alert) int { return a.At.Compare(b.At) })
	for _, a := range list {
		kinds = append(kinds, a.Kind)
	}
	return kinds
}

// notices passes on what a process says, and remembers it.
type notices struct {
	to io.Writer

	mu   sync.Mutex // guards text
	text strings.Builder
}

func (n *notices) Write(b []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.text.Write(b)
	return n.to.Write(b)
}

func (n *notices) has(what string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Contains(n.text.String(), what)
}

func soon(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// Three processes sweep and have the webhook: the two agents' own and the watchdog. The webhook is deaf at first.
func TestWatchdog_TheWebhookHearsOfAKilledAgentOnceAndOfItsReturnOnce(t *testing.T) {
	dir, secret := dataPath(t), "a secret for tests"
	hook := receiveAlerts(t, secret, 1)
	program := workload.Program{Path: "agentbridge", Data: dir, Stderr: t.Output(), Env: append([]string{
		"AGENTBRIDGE_ALERT_WEBHOOK=" + hook.URL + "/alerts", "AGENTBRIDGE_ALERT_SECRET=" + secret,
	}, hurried...)}
	play := func(name string) *workload.Player {
		a, err := program.Play(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { a.Leave() })
		return a
	}
	alpha, beta := play("alpha"), play("beta")
	meet(t, alpha, beta)

	dog := program.Command("watchdog", "--json")
	out, err := dog.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	said := &notices{to: dog.Stderr}
	dog.Stderr = said
	if err := dog.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dog.Process.Kill() })
	soon(t, "the watchdog watches", func() bool { return said.has("watching") })
	lines := make(chan bridge.Alert, 100)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			var a bridge.Alert
			json.Unmarshal(s.Bytes(), &a)
			lines <- a
		}
	}()

	send(t, alpha, "words that no alert repeats")
	beta.Kill()
	soon(t, "the webhook hears that beta is silent", func() bool { return len(hook.about("beta")) == 1 })
	play("beta")
	soon(t, "the webhook hears that beta is back", func() bool { return len(hook.about("beta")) == 2 })

	var told []bridge.AlertKind
	for a := range lines {
		if told = append(told, a.Kind); a.Kind == bridge.AlertRecovered {
			dog.Process.Signal(syscall.SIGTERM) // its end ends the lines
		}
		if strings.Contains(a.Text, "words that no alert repeats") {
			t.Errorf("an alert repeats what an agent wrote: %+v", a)
		}
	}
	if err := dog.Wait(); err != nil {
		t.Errorf("the watchdog after SIGTERM: %v, want exit status 0", err)
	}
	want := []bridge.AlertKind{bridge.AlertSilent, bridge.AlertRecovered}
	if !slices.Equal(told, want) {
		t.Errorf("the watchdog printed %v, want %v", told, want)
	}
	got := hook.about("beta")
	hook.mu.Lock()
	defer hook.mu.Unlock()
	if !slices.Equal(got, want) || len(hook.alerts) != 2 {
		t.Errorf("the webhook took %v of %d alerts, want %v", got, len(hook.alerts), want)
	}
	if len(hook.again) > 0 || len(hook.wrong) > 0 {
		t.Errorf("sent again: %v; wrong: %v", hook.again, hook.wrong)
	}
}
