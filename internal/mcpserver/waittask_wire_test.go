package mcpserver

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestWaitTask_IsTheCallersOwnAndGenuine(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, say, states, beta := modernPair(t)
		k := newKeeper(beta)
		id := k.begin("check_messages", checkLong)
		say("one")
		_, g := w.agent(t, "gamma")
		gamma := newKeeper(w.stdio(t, g))
		for what, of := range map[string]struct {
			k  *keeper
			id string
		}{
			"another agent's": {gamma, id}, "none": {k, ""}, "no word of ours": {k, "786512e2-9e0d-44bd-8f29-789f320fe840"}, "cut": {k, id[:len(id)-2]},
			"changed": {k, id[:40] + string(id[40]^1) + id[41:]}, "of another purpose": {k, "other" + strings.TrimPrefix(id, taskPurpose)},
		} {
			for _, method := range []string{"get", "cancel", "update"} {
				if got := of.k.about(method, of.id); got.Error == nil || got.Error.Code != -32602 {
					t.Errorf("tasks/%s of an id that is %s answered %s", method, what, got.whole)
				}
			}
		}
		expect(t, "states", states(), "stored")
		if got := k.about("update", id); got.Error != nil {
			t.Errorf("an update answered %s", got.whole)
		}
		time.Sleep(taskTTL)
		if got := k.about("get", id); got.Error == nil || got.Error.Code != -32602 {
			t.Errorf("after a day the task answered %s", got.whole)
		}
	})
}

func TestWaitTask_IsForClientsThatSayTheyKeepThem(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		_, _, _, beta := modernPair(t)
		k := newKeeper(beta)
		id := k.begin("check_messages", checkLong)
		k.meta = `{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`
		for _, method := range []string{"get", "cancel", "update"} {
			got := k.about(method, id)
			if got.Error == nil || got.Error.Code != -32021 || !strings.Contains(string(got.Error.Data), `"extensions":{"io.modelcontextprotocol/tasks":{}}`) {
				t.Errorf("tasks/%s of a client that says nothing of tasks answered %s", method, got.whole)
			}
		}
		k.meta = `{}`
		if got := k.about("get", id); got.Error == nil || got.Error.Code != -32601 {
			t.Errorf("in the older protocol tasks/get answered %s", got.whole)
		}
	})
}

func TestWaitTask_OverHTTPAnAnswerThatNobodyReadIsGivenBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Options{})
		_, a := w.agent(t, "alpha")
		token, b := w.agent(t, "beta")
		w.meet(t, a, b)
		hub := w.hub(t)
		send := func(body, name string) *http.Response {
			r := post(t.Context(), token, "", body)
			var m struct{ Method string }
			if err := json.Unmarshal([]byte(body), &m); err != nil {
				t.Fatal(err)
			}
			r.Header.Set(protocolVersion, modern)
			r.Header.Set("Mcp-Method", m.Method)
			r.Header.Set("Mcp-Name", name)
			res, err := hub.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			return res
		}
		k := &keeper{t: t, meta: keeping}
		name := "check_messages"
		k.do = func(body string) string {
			res := send(body, name)
			defer res.Body.Close()
			all, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			if text := string(all); strings.Contains(text, "data: ") {
				return lastEvent(text)
			}
			return string(all)
		}
		id := k.begin("check_messages", checkLong)
		w.say(t, a, strings.Repeat("one ", 10_000))
		name = "other"
		if got := k.about("get", id); got.Error == nil || got.Error.Code != -32020 {
			t.Errorf("a poll whose header names another task answered %.300s", got.whole)
		}
		name = id
		poll := fmt.Sprintf(`{"jsonrpc":"2.0","id":"poll","method":"tasks/get","params":{"taskId":%q,"_meta":%s}}`, id, keeping)
		send(poll, id).Body.Close() // before its end was read
		synctest.Wait()
		expect(t, "states", w.states(t, a), "stored")
		if got := k.ended(id).texts(); len(got) != 1 {
			t.Errorf("the next poll gave %d messages", len(got))
		}
		expect(t, "states", w.states(t, a), "delivered")
	})
}
