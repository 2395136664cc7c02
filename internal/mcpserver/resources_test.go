package mcpserver

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"agentbridge/internal/bridge"
)

// watcher is a real client's handler of notifications, with what it got.
func watcher() (got chan string, o *mcp.ClientOptions) {
	got = make(chan string, 100)
	return got, &mcp.ClientOptions{ResourceUpdatedHandler: func(_ context.Context, r *mcp.ResourceUpdatedNotificationRequest) {
		got <- r.Params.URI
	}}
}

func TestResource_IsForMembersOnly(t *testing.T) {
	for _, version := range []string{"2026-07-28", "2025-06-18"} {
		w := newWorld(t, Options{})
		_, a := w.agent(t, "alpha")
		_, b := w.agent(t, "beta")
		_, g := w.agent(t, "gamma")
		uri := uriPrefix + string(w.meet(t, a, b))
		w.say(t, a, "hello")
		session := w.client(t, b, version, nil)
		res, err := session.ReadResource(w.ctx, &mcp.ReadResourceParams{URI: uri})
		if err != nil {
			t.Fatal(err)
		}
		var view bridge.View
		if err := json.Unmarshal([]byte(res.Contents[0].Text), &view); err != nil {
			t.Fatal(err)
		}
		if len(view.Roster) != 2 || len(view.Recent) != 1 || bare(view.Recent[0].Text) != "hello" || !strings.Contains(view.Recent[0].Text, "not your user") {
			t.Errorf("%s: the resource is %+v, want a roster of two and one framed message", version, view)
		}
		if strings.Contains(strings.ReplaceAll(res.Contents[0].Text, `"paused_at":null,`, ""), "null,") && view.Roster[0].LastSeen != nil && view.Roster[1].LastSeen != nil {
			t.Errorf("%s: the resource has null: %s", version, res.Contents[0].Text)
		}
		if version == "2026-07-28" && res.CacheScope != "private" {
			t.Errorf("cache scope of what only members may see is %q", res.CacheScope)
		}
		stranger := w.client(t, g, version, nil)
		for _, uri := range []string{uri, uriPrefix + "conv_0000000000000000", uriPrefix + "x", uriPrefix, "file:///etc/passwd"} {
			if res, err := stranger.ReadResource(w.ctx, &mcp.ReadResourceParams{URI: uri}); err == nil || !strings.Contains(err.Error(), "Resource not found") {
				t.Errorf("%s: a stranger reads %s: %v, %v", version, uri, res, err)
			}
		}
		if version == "2025-06-18" {
			if err := stranger.Subscribe(w.ctx, &mcp.SubscribeParams{URI: uri}); err == nil {
				t.Error("a stranger may subscribe")
			}
		}
	}
}

func TestSubscription_TellsOfChangesUntilItEnds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Options{})
		_, a := w.agent(t, "alpha")
		_, b := w.agent(t, "beta")
		uri := uriPrefix + string(w.meet(t, a, b))
		got, o := watcher()
		session := w.client(t, b, "2025-06-18", o)
		if err := session.Subscribe(w.ctx, &mcp.SubscribeParams{URI: uri}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.say(t, a, "one")
		if at := <-got; at != uri {
			t.Errorf("told of %s, want %s", at, uri)
		}
		for range 50 { // a burst is told of once more, not fifty times
			w.say(t, a, "more")
		}
		time.Sleep(3 * feedPause)
		if n := len(got); n < 1 || n > 2 {
			t.Errorf("told %d times of a burst, want once or twice", n)
		}
		for len(got) > 0 {
			<-got
		}
		if err := session.Unsubscribe(w.ctx, &mcp.UnsubscribeParams{URI: uri}); err != nil {
			t.Fatal(err)
		}
		w.say(t, a, "two")
		time.Sleep(3 * feedPause)
		if len(got) > 0 {
			t.Error("told after the subscription was taken back")
		}
		if err := session.Subscribe(w.ctx, &mcp.SubscribeParams{URI: uri}); err != nil {
			t.Fatal(err)
		}
		session.Close()
		synctest.Wait()
		w.server.feeds.mu.Lock()
		defer w.server.feeds.mu.Unlock()
		if n := len(w.server.feeds.open); n != 0 {
			t.Errorf("%d sessions are watched after they closed", n)
		}
	})
}

func TestSubscription_EndsWithTheSeat(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Options{})
		_, a := w.agent(t, "alpha")
		_, b := w.agent(t, "beta")
		_, g := w.agent(t, "gamma")
		id := w.meet(t, a, b, g)
		got, o := watcher()
		session := w.client(t, b, "2025-06-18", o)
		if err := session.Subscribe(w.ctx, &mcp.SubscribeParams{URI: uriPrefix + string(id)}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := w.RevokeMember(w.ctx, id, "gamma"); err != nil {
			t.Fatal(err)
		}
		<-got
		time.Sleep(3 * feedPause)
		if err := w.RevokeMember(w.ctx, id, "beta"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * feedPause)
		for len(got) > 0 {
			<-got
		}
		if _, err := w.Say(w.ctx, bridge.SendRequest{Conversation: id, Message: "still here?"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * feedPause)
		if len(got) > 0 {
			t.Error("a member that was revoked is told of changes")
		}
	})
}

// A subscription must not make an agent whose model does nothing look busy.
func TestSubscription_IsNoProgress(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Options{})
		_, a := w.agent(t, "alpha")
		_, b := w.agent(t, "beta")
		id := w.meet(t, a, b)
		got, o := watcher()
		session := w.client(t, b, "2025-06-18", o)
		if err := session.Subscribe(w.ctx, &mcp.SubscribeParams{URI: uriPrefix + string(id)}); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			time.Sleep(30 * time.Second)
			w.say(t, a, "anybody?")
			<-got
		}
		res, err := w.Partners(w.ctx, a, bridge.PartnersRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if l := res.Partners[0].Liveness; l == bridge.Alive {
			t.Errorf("beta, which only has a subscription, is %s", l)
		}
	})
}

func TestHTTP_SubscriptionsOfBothGenerations(t *testing.T) {
	eras(t, Options{}, func(t *testing.T, w *world, say func(string), _ func() []string, beta *remote) {
		list, err := w.List(w.ctx, false)
		if err != nil {
			t.Fatal(err)
		}
		uri := uriPrefix + string(list[0].Conversation)
		var stream *http.Response
		if beta.session == "" {
			stream = beta.do(t.Context(), `{"jsonrpc":"2.0","id":"l","method":"subscriptions/listen","params":{"notifications":{"resourceSubscriptions":["`+uri+`"]},`+modernCall+`}}`)
		} else {
			r := post(t.Context(), beta.token, beta.session, "")
			r.Method, r.Body = http.MethodGet, nil
			if stream, err = beta.hub.Do(r); err != nil {
				t.Fatal(err)
			}
			beta.do(t.Context(), `{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"`+uri+`"}}`).Body.Close()
		}
		lines := make(chan string, 100)
		go func() {
			defer close(lines)
			for scanner := bufio.NewScanner(stream.Body); scanner.Scan(); {
				if line := scanner.Text(); strings.HasPrefix(line, "data: ") || line == ": keep-alive" {
					lines <- line
				}
			}
		}()
		synctest.Wait()
		say("one")
		time.Sleep(20 * time.Second)
		var seen []string
		for len(lines) > 0 {
			line := <-lines
			if data, ok := strings.CutPrefix(line, "data: "); ok {
				r := parse(t, data)
				line = r.Method
				if meta, ok := r.Params["_meta"].(map[string]any); ok {
					line += " " + meta["io.modelcontextprotocol/subscriptionId"].(string)
				}
			}
			seen = append(seen, line)
		}
		if beta.session == "" {
			expect(t, "stream", seen, "notifications/subscriptions/acknowledged l", "notifications/resources/updated l", ": keep-alive")
		} else {
			expect(t, "stream", seen, "notifications/resources/updated", ": keep-alive")
		}
		stream.Body.Close()
		synctest.Wait()
		if beta.session == "" {
			for range w.server.mcp.Sessions() {
				t.Error("the session of a listen goes on after its stream was closed")
			}
		}
	})
}
