package mcpserver

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"agentbridge/internal/bridge"
)

// arguments are what each tool takes, for a conversation that is named where it can be.
func arguments(id bridge.ConversationID, task bridge.TaskID, code string) map[string]string {
	at := fmt.Sprintf(`"conversation_id":%q`, id)
	return map[string]string{
		"create_conversation": `{"partners":[{"name":"delta","role":"x"}]}`,
		"join_conversation":   fmt.Sprintf(`{"code":%q}`, code),
		"send":                `{"message":"hello",` + at + `}`,
		"check_messages":      `{` + at + `}`,
		"update_status":       `{"status":"working",` + at + `}`,
		"check_partners":      `{` + at + `}`,
		"add_task":            `{"title":"one more",` + at + `}`,
		"claim_task":          `{` + at + `}`,
		"update_task":         fmt.Sprintf(`{"task_id":%q,"action":"cancel",`, task) + at + `}`,
		"list_tasks":          `{` + at + `}`,
	}
}

func TestTokens_EveryToolRefusesEveryWrongTokenWithOneText(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		conf := bridge.Defaults()
		conf.Limits = bridge.NoLimits
		w, foreign := worldAt(t, ":memory:", conf, Options{}), newWorld(t, Options{})
		_, a := w.agent(t, "alpha")
		good, b := w.agent(t, "beta")
		id := w.meet(t, a, b)
		task, err := w.AddTask(w.ctx, b, bridge.AddTaskRequest{Conversation: id, Title: "one"})
		if err != nil {
			t.Fatal(err)
		}
		made, err := w.Create(w.ctx, a, bridge.CreateRequest{Partners: []bridge.Partner{{Name: "gamma"}}})
		if err != nil {
			t.Fatal(err)
		}
		revoked, c := w.agent(t, "beta")
		child, err := w.NewChildToken(w.ctx, c, bridge.ChildRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.RevokeToken(w.ctx, c.Token()); err != nil {
			t.Fatal(err)
		}
		other, _ := foreign.agent(t, "beta")
		wrong := map[string]string{"revoked": revoked, "child of a revoked one": child.Token, "of another bridge": other, "nonsense": "x", "a prefix": good[:20], "doubled": good + good}
		for i := 0; i < len(good); i += 7 {
			last := byte('A')
			if good[i] == last {
				last = 'B'
			}
			wrong[fmt.Sprintf("character %d changed", i)] = good[:i] + string(last) + good[i+1:]
		}
		entries := func() int {
			list, err := w.AuditEntries(w.ctx, bridge.AuditFilter{})
			if err != nil {
				t.Fatal(err)
			}
			return len(list)
		}
		hub, before, tried, texts := w.hub(t), entries(), 0, map[string]int{}
		refused := func(name, token, body string) {
			t.Helper()
			client := &remote{t: t, hub: hub, token: token}
			res := client.do(t.Context(), body)
			text, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if res.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s, %s token: %s", body, name, res.Status)
			}
			texts[string(text)+res.Header.Get("WWW-Authenticate")]++
			tried++
		}
		read := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"%s%s",%s}}`, uriPrefix, id, modernCall)
		for name, token := range wrong {
			for use, args := range arguments(id, task.Task, made.Invites[0].Code) {
				refused(name, token, (&remote{}).body("1", use, args))
			}
			refused(name, token, read)
			r := httptest.NewRequest(http.MethodGet, "http://hub/keepalive", nil)
			r.Header.Set("Authorization", "Bearer "+token)
			answer := httptest.NewRecorder()
			w.server.KeepAlive().ServeHTTP(answer, r)
			if answer.Code != http.StatusUnauthorized {
				t.Errorf("keep-alive, %s token: %d", name, answer.Code)
			}
			tried++
		}
		if len(texts) != 1 {
			t.Errorf("wrong tokens are told apart: %v", texts)
		}
		if entries() != before {
			t.Error("a refused request left an entry")
		}
		t.Logf("%d requests with %d wrong tokens, all refused alike", tried, len(wrong))

		// One past its time is told to renew.
		time.Sleep(3 * time.Hour)
		clear(texts)
		for use, args := range arguments(id, task.Task, made.Invites[0].Code) {
			refused("expired", good, (&remote{}).body("1", use, args))
		}
		for text := range texts {
			if len(texts) != 1 || !strings.Contains(text, "has expired") {
				t.Errorf("an expired token is told %v", texts)
			}
		}
	})
}

func TestTokens_AChildTokenCanDoLessOverHTTP(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Options{})
		_, a := w.agent(t, "alpha")
		_, b := w.agent(t, "beta")
		id, other := w.meet(t, a, b), w.meet(t, a, b)
		task, err := w.AddTask(w.ctx, b, bridge.AddTaskRequest{Conversation: id, Title: "one"})
		if err != nil {
			t.Fatal(err)
		}
		made, err := w.Create(w.ctx, a, bridge.CreateRequest{Partners: []bridge.Partner{{Name: "gamma"}}})
		if err != nil {
			t.Fatal(err)
		}
		child, err := w.NewChildToken(w.ctx, b, bridge.ChildRequest{Rank: bridge.Observer, Conversation: id})
		if err != nil {
			t.Fatal(err)
		}
		client := &remote{t: t, hub: w.hub(t), token: child.Token}
		may := map[string]bool{"check_messages": true, "update_status": true, "check_partners": true, "list_tasks": true}
		for use, args := range arguments(id, task.Task, made.Invites[0].Code) {
			if got := client.call("1", use, args); got.Result.IsError == may[use] || got.Result.IsError && got.Result.Structured.Code != "denied" {
				t.Errorf("%s as observer: %+v", use, got.Result)
			}
		}
		for use, args := range arguments(other, task.Task, made.Invites[0].Code) {
			if got := client.call("1", use, args); got.Result.Structured.Code != "denied" {
				t.Errorf("%s in another conversation: %+v", use, got.Result)
			}
		}
		for conversation, want := range map[bridge.ConversationID]string{id: `"roster"`, other: "Resource not found"} {
			r := post(t.Context(), child.Token, "", fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"%s%s",%s}}`, uriPrefix, conversation, modernCall))
			r.Header.Set("Mcp-Name", uriPrefix+string(conversation))
			res, err := client.hub.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if !strings.Contains(strings.ReplaceAll(string(text), `\"`, `"`), want) {
				t.Errorf("the resource: %s, want %s", text, want)
			}
		}
	})
}

// What is open when a token is revoked ends at once: streams, subscriptions, keep-alives.
func TestTokens_ARevocationEndsWhatIsOpen(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Options{})
		_, a := w.agent(t, "alpha")
		token, b := w.agent(t, "beta")
		id := w.meet(t, a, b)
		legacy := (&remote{t: t, hub: w.hub(t), token: token}).open()
		legacy.call("1", "check_partners", `{}`)
		get := post(t.Context(), token, legacy.session, "")
		get.Method, get.Body = http.MethodGet, nil
		stream, err := legacy.hub.Do(get)
		if err != nil || stream.StatusCode != http.StatusOK {
			t.Fatalf("the stream of a session: %v, %v", stream, err)
		}
		modern := &remote{t: t, hub: legacy.hub, token: token}
		listen := modern.do(t.Context(), fmt.Sprintf(
			`{"jsonrpc":"2.0","id":2,"method":"subscriptions/listen","params":{"notifications":{"resourceSubscriptions":["%s%s"]},%s}}`, uriPrefix, id, modernCall))
		alive := w.keepAlive(t, token)
		alive.next()
		ended := make(chan string, 3)
		for name, body := range map[string]io.Reader{"stream": stream.Body, "listen": listen.Body, "keep-alive": alive.in} {
			go func() { io.Copy(io.Discard, bufio.NewReader(body)); ended <- name }()
		}
		got, o := watcher()
		session := w.client(t, b, "2025-06-18", o)
		if err := session.Subscribe(w.ctx, &mcp.SubscribeParams{URI: uriPrefix + string(id)}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		start := time.Now()
		if err := w.RevokeToken(w.ctx, b.Token()); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			select {
			case <-ended:
			case <-time.After(5 * time.Second):
				t.Fatal("something is open still")
			}
		}
		if waited := time.Since(start); waited > time.Second {
			t.Errorf("what was open ended %s after the revocation", waited)
		}
		w.say(t, a, "not for a revoked token")
		time.Sleep(2 * time.Second)
		select {
		case uri := <-got:
			t.Errorf("a subscription of a revoked token is told of %s", uri)
		default:
		}
		stream.Body.Close()
		listen.Body.Close()
	})
}
