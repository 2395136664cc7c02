package postgres

import (
	"slices"
	"strings"

	"agentbridge/internal/bridge"
)

// ahead is what was read in the trip that took a conversation's turn: nearly every update of one begins by asking for it. Nobody else
// writes it while the turn lasts, and what is written within it is forgotten here. The zero value knows nothing.
type ahead struct {
	id            bridge.ConversationID
	conversations []bridge.Conversation // one or none
	members       []bridge.Member
	knows         struct{ conversation, members bool }
}

// calls are the reads for a scope.
func (a *ahead) calls(scope bridge.Scope) []*call {
	if !strings.HasPrefix(string(scope), "conv_") {
		return nil
	}
	a.id = bridge.ConversationID(scope)
	a.knows.conversation, a.knows.members = true, true
	args := encode([]any{string(scope)})
	return []*call{
		{sql: readConversation, args: args, each: func(r *row) { a.conversations = append(a.conversations, scanConversation(r)) }},
		{sql: readMembers, args: args, each: func(r *row) { a.members = append(a.members, scanMember(r)) }},
	}
}

// conversation gives the conversation if it is known whether there is one.
func (a *ahead) conversation(id bridge.ConversationID) (found []bridge.Conversation, known bool) {
	if a == nil || !a.knows.conversation || a.id != id {
		return nil, false
	}
	found = slices.Clone(a.conversations)
	for i := range found {
		found[i].Key, found[i].Head = slices.Clone(found[i].Key), slices.Clone(found[i].Head)
	}
	return found, true
}

// seats gives the members, in their order, if they are known.
func (a *ahead) seats(id bridge.ConversationID) (found []bridge.Member, known bool) {
	if a == nil || !a.knows.members || a.id != id {
		return nil, false
	}
	return slices.Clone(a.members), true
}

// wrote forgets what is written.
func (a *ahead) wrote(id bridge.ConversationID, conversation, members bool) {
	if a != nil && a.id == id {
		a.knows.conversation = a.knows.conversation && !conversation
		a.knows.members = a.knows.members && !members
	}
}
