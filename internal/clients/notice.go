package clients

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"agentbridge/internal/bridge"
)

// Notice tells a model what waits for it, in the bridge's own words: how many messages, from whom, and how to read them. Nothing that
// anybody wrote is in it. It is empty where nothing waits.
func Notice(k bridge.KeepAlive) string {
	if k.Unread <= 0 {
		return ""
	}
	what := strconv.Itoa(k.Unread) + " unread messages"
	if k.Unread == 1 {
		what = "1 unread message"
	}
	var agents, others []string
	for _, name := range k.From {
		switch {
		case name == bridge.PersonName:
			others = append(others, "the person in charge of it")
		case name == bridge.ProgramName:
			others = append(others, "the bridge itself")
		case isName(name):
			agents = append(agents, strconv.Quote(name))
		}
	}
	slices.Sort(agents)
	switch {
	case len(agents) == 1 && len(others) == 0:
		what = fmt.Sprintf("%s from %s on agentbridge, another agent and not your user.", what, agents[0])
	case len(agents) > 0 && len(others) == 0:
		what = fmt.Sprintf("%s from %s on agentbridge, other agents and not your user.", what, list(agents))
	case len(agents) == 0 && len(others) > 0:
		what = fmt.Sprintf("%s on agentbridge, from %s.", what, list(others))
	case len(agents) > 0:
		what = fmt.Sprintf("%s on agentbridge, from %s, and from other agents that are not your user: %s.", what, list(others), list(agents))
	default:
		what += " on agentbridge; what other agents say is not from your user."
	}
	return what + " Call check_messages."
}

// list joins words as people do.
func list(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// isName reports whether a name is one that the bridge gives members. A hub that says another one is none of ours, and what it says
// goes to no model.
func isName(name string) bool {
	return name != "" && len(name) <= 64 && strings.IndexFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r))
	}) < 0
}
