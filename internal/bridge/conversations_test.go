package bridge_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/redact"
)

func scanner(t *testing.T) *redact.Scanner {
	t.Helper()
	s, err := redact.New(redact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func partners(names ...string) (list []bridge.Partner) {
	for _, n := range names {
		list = append(list, bridge.Partner{Name: n, Role: "partner"})
	}
	return list
}

func TestCreate_RanksByTheNumberOfMembersUnlessSaid(t *testing.T) {
	for _, tt := range []struct {
		name     string
		partners []bridge.Partner
		creator  bridge.Rank
		others   []bridge.Rank
	}{
		{"two", partners("b"), bridge.Peer, []bridge.Rank{bridge.Peer}},
		{"three", partners("b", "c"), bridge.Orchestrator, []bridge.Rank{bridge.Worker, bridge.Worker}},
		{"said", []bridge.Partner{{Name: "b", Rank: bridge.Observer}}, bridge.Peer, []bridge.Rank{bridge.Observer}},
		{"some said", []bridge.Partner{{Name: "b", Rank: bridge.Orchestrator}, {Name: "c"}}, bridge.Orchestrator, []bridge.Rank{bridge.Orchestrator, bridge.Worker}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			res, err := w.Create(w.ctx, w.agent("a"), bridge.CreateRequest{Role: "lead", Partners: tt.partners})
			if err != nil {
				t.Fatal(err)
			}
			if res.You.Rank != tt.creator {
				t.Errorf("creator is %s, want %s", res.You.Rank, tt.creator)
			}
			for i, in := range res.Invites {
				joined, err := w.Join(w.ctx, w.agent(in.Name), bridge.JoinRequest{Code: in.Code})
				if err != nil || joined.You.Rank != tt.others[i] || joined.You.Name != in.Name {
					t.Errorf("Join(%s) = %+v, %v, want rank %s", in.Name, joined.You, err, tt.others[i])
				}
			}
		})
	}
}

func TestCreate_RefusesWhatNoConversationCouldBe(t *testing.T) {
	w := newWorld(t)
	a := w.agent("a")
	many := []string{}
	for i := range 64 {
		many = append(many, fmt.Sprintf("p%d", i))
	}
	for name, q := range map[string]bridge.CreateRequest{
		"nobody":        {},
		"own name":      {Partners: partners("a")},
		"twice":         {Partners: partners("b", "b")},
		"reserved":      {Partners: partners("person")},
		"program":       {Partners: partners("bridge")},
		"no name":       {Partners: partners("")},
		"space":         {Partners: partners("b c")},
		"a secret":      {Partners: partners("ghp_" + "0123456789abcdefABCDEF0123456789abcd")},
		"unknown rank":  {Partners: []bridge.Partner{{Name: "b", Rank: "king"}}},
		"reserved rank": {Partners: []bridge.Partner{{Name: "b", Rank: bridge.Person}}},
		"too many":      {Partners: partners(many...)},
		"negative life": {Partners: partners("b"), TTLMinutes: -1},
		"long life":     {Partners: partners("b"), TTLMinutes: 31 * 24 * 60},
		"long role":     {Partners: partners("b"), Role: string(make([]rune, 501))},
		"bad text":      {Partners: partners("b"), Title: "\xff"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.Create(w.ctx, a, q)
			want(t, err, bridge.Invalid, "")
		})
	}
	if list, err := w.List(w.ctx, true); err != nil || len(list) != 0 {
		t.Errorf("refused conversations left %v, %v", list, err)
	}
}

func TestCreate_SixtyFourMembersAreAllowed(t *testing.T) {
	w := newWorld(t)
	many := []string{}
	for i := range 63 {
		many = append(many, fmt.Sprintf("p%d", i))
	}
	res, err := w.Create(w.ctx, w.agent("a"), bridge.CreateRequest{Partners: partners(many...)})
	if err != nil || len(res.Invites) != 63 {
		t.Fatalf("Create = %d invites, %v", len(res.Invites), err)
	}
	_, err = w.Create(w.ctx, w.agent("a"), bridge.CreateRequest{Conversation: res.Conversation, Partners: partners("one-more")})
	want(t, err, bridge.Invalid, "second conversation")
}

func TestInvite_AGrowingConversationIsLedByItsCreator(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("a"), w.agent("b")
	id := w.talk(a, b)
	res, err := w.Create(w.ctx, a, bridge.CreateRequest{Conversation: id, Partners: partners("c")})
	if err != nil || res.You.Rank != bridge.Orchestrator {
		t.Fatalf("Create = %+v, %v", res.You, err)
	}
	joined, err := w.Join(w.ctx, w.agent("c"), bridge.JoinRequest{Code: res.Invites[0].Code})
	if err != nil || joined.You.Rank != bridge.Worker {
		t.Fatalf("Join = %+v, %v", joined.You, err)
	}
	_, err = w.Create(w.ctx, b, bridge.CreateRequest{Conversation: id, Partners: partners("d")})
	want(t, err, bridge.Denied, "a")
}

func TestInvite_ANewCodeVoidsTheOld(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("a"), w.agent("b")
	first, err := w.Create(w.ctx, a, bridge.CreateRequest{Partners: partners("b")})
	if err != nil {
		t.Fatal(err)
	}
	second, err := w.Create(w.ctx, a, bridge.CreateRequest{Conversation: first.Conversation, Partners: partners("b")})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Join(w.ctx, b, bridge.JoinRequest{Code: first.Invites[0].Code})
	want(t, err, bridge.Denied, "invite you again")
	if _, err := w.Join(w.ctx, b, bridge.JoinRequest{Code: second.Invites[0].Code}); err != nil {
		t.Fatal(err)
	}
	_, err = w.Create(w.ctx, a, bridge.CreateRequest{Conversation: first.Conversation, Partners: partners("b")})
	want(t, err, bridge.Conflict, "revoke")
}

func TestJoin_ACodeSeatsOneAgentOnce(t *testing.T) {
	w := newWorld(t)
	a, b, c := w.agent("a"), w.agent("b"), w.agent("c")
	res, err := w.Create(w.ctx, a, bridge.CreateRequest{Partners: partners("b")})
	if err != nil {
		t.Fatal(err)
	}
	code := res.Invites[0].Code
	_, err = w.Join(w.ctx, a, bridge.JoinRequest{Code: code})
	want(t, err, bridge.Conflict, `"b"`)
	if _, err := w.Join(w.ctx, b, bridge.JoinRequest{Code: code}); err != nil {
		t.Fatal(err)
	}
	_, err = w.Join(w.ctx, c, bridge.JoinRequest{Code: code})
	want(t, err, bridge.Conflict, "new invite")
	_, err = w.Join(w.ctx, b, bridge.JoinRequest{Code: code})
	want(t, err, bridge.Conflict, "check_messages")
}

func TestJoin_ACodeIsVoidAfterFiveWrongSecrets(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("a"), w.agent("b")
	res, _ := w.Create(w.ctx, a, bridge.CreateRequest{Partners: partners("b")})
	code := res.Invites[0].Code
	for i := range 5 {
		last := "A"
		if code[20+i] == 'A' {
			last = "B"
		}
		_, err := w.Join(w.ctx, b, bridge.JoinRequest{Code: code[:20+i] + last + code[21+i:]})
		want(t, err, bridge.Denied, "invite you again")
	}
	_, err := w.Join(w.ctx, b, bridge.JoinRequest{Code: code})
	want(t, err, bridge.Denied, "invite you again")
	for _, bad := range []string{"x", "abi1_", "abi1_AAAA", code + "A", "abi1_" + code[5:9] + "0000000000000000000000000000"} {
		_, err := w.Join(w.ctx, b, bridge.JoinRequest{Code: bad})
		want(t, err, bridge.Denied, "")
	}
}

func TestJoin_ACodeExpires(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.agent("a"), w.agent("b")
		res, _ := w.Create(w.ctx, a, bridge.CreateRequest{Partners: partners("b")})
		time.Sleep(10 * minute)
		_, err := w.Join(w.ctx, b, bridge.JoinRequest{Code: res.Invites[0].Code})
		want(t, err, bridge.Expired, "new one")
	})
}

func TestJoin_WithoutACodeIsForTheNamedAgentOfThisMachine(t *testing.T) {
	w := newWorld(t)
	a, b, c, remote := w.agent("a"), w.agent("b"), w.agent("c"), w.remote("b")
	_, err := w.Join(w.ctx, b, bridge.JoinRequest{})
	want(t, err, bridge.NotFound, "create_conversation")
	first, _ := w.Create(w.ctx, a, bridge.CreateRequest{Partners: partners("b")})
	_, err = w.Join(w.ctx, remote, bridge.JoinRequest{})
	want(t, err, bridge.Invalid, "code")
	_, err = w.Join(w.ctx, c, bridge.JoinRequest{})
	want(t, err, bridge.NotFound, "")
	second, _ := w.Create(w.ctx, c, bridge.CreateRequest{Partners: partners("b")})
	_, err = w.Join(w.ctx, b, bridge.JoinRequest{})
	want(t, err, bridge.Invalid, "conversation_id")
	for _, id := range []bridge.ConversationID{second.Conversation, first.Conversation} {
		res, err := w.Join(w.ctx, b, bridge.JoinRequest{Conversation: id})
		if err != nil || res.Conversation != id {
			t.Fatalf("Join = %s, %v, want %s", res.Conversation, err, id)
		}
	}
}

func TestJoin_WhatWasSentBeforeIsThere(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("a"), w.agent("b")
	res, _ := w.Create(w.ctx, a, bridge.CreateRequest{Partners: partners("b")})
	w.say(a, "early")
	joined, err := w.Join(w.ctx, b, bridge.JoinRequest{Code: res.Invites[0].Code})
	if err != nil || joined.Unread != 1 {
		t.Fatalf("Join = %+v, %v, want one unread", joined, err)
	}
	if got := texts(w.check(b, bridge.CheckRequest{})); !slices.Equal(got, []string{"early"}) {
		t.Errorf("Check = %q", got)
	}
}

func TestRevokeMember_EndsTheSeatAndTellsTheSenders(t *testing.T) {
	w := newWorld(t)
	a, b, again := w.agent("a"), w.agent("b"), w.agent("b2")
	id := w.talk(a, b)
	sent := w.say(a, "for b")
	if err := w.RevokeMember(w.ctx, id, "b"); err != nil {
		t.Fatal(err)
	}
	_, err := w.Send(w.ctx, b, bridge.SendRequest{Conversation: id, Message: "hello?"})
	want(t, err, bridge.Denied, "invite")
	if d := w.delivery(id, sent.Seq, "b"); d.State != bridge.Dead || d.Reason != bridge.DeadRevoked {
		t.Errorf("delivery = %+v", d)
	}
	if got := w.check(a, bridge.CheckRequest{}); len(got.Messages) != 2 || got.Messages[0].Rank != bridge.Program {
		t.Errorf("Check = %+v, want to be told of the dead letter and of the revocation", got.Messages)
	}
	res, err := w.Create(w.ctx, a, bridge.CreateRequest{Conversation: id, Partners: partners("b")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Join(w.ctx, again, bridge.JoinRequest{Code: res.Invites[0].Code}); err != nil {
		t.Fatal(err)
	}
	if got := w.check(again, bridge.CheckRequest{}); len(got.Messages) != 0 {
		t.Errorf("who took a revoked seat reads %q", texts(got))
	}
	_, err = w.Send(w.ctx, b, bridge.SendRequest{Conversation: id, Message: "hello?"})
	want(t, err, bridge.Denied, "invite")
	want(t, w.RevokeMember(w.ctx, id, "nobody"), bridge.NotFound, "members")
}
