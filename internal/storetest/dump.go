package storetest

import (
	"errors"
	"fmt"
	"time"

	"agentbridge/internal/bridge"
)

// shelf is what one getter gave.
type shelf struct {
	Name string
	Rows any
}

// The keys that dump asks for. The tests that compare with the model use no others.
var (
	names    = []string{"beta", "Beta", "b_a"}
	accounts = []bridge.Account{
		{Holder: string(agentID(1)), Kind: bridge.Read},
		{Conversation: convID(1), Holder: "beta", Kind: bridge.Write},
		{Conversation: convID(2), Holder: "beta", Kind: bridge.Write},
	}
)

// dump reads a store, or a model, by every getter there is.
func dump(tx bridge.Tx) ([]shelf, error) {
	d := dumper{}
	for _, name := range names {
		d.add("Meta " + name)(tx.Meta(name))
		d.add("AgentsNamed " + name)(tx.AgentsNamed(name))
		d.add("InvitesNamed " + name)(tx.InvitesNamed(name))
		d.add("Sendings " + name)(tx.Sendings(name))
	}
	d.add("Agents")(tx.Agents())
	d.add("Tokens")(tx.Tokens(""))
	d.add("Conversations")(tx.Conversations())
	d.add("DueConversations")(tx.DueConversations(at(1<<21), 2))
	for n := 1; n <= 3; n++ {
		d.add("Agent")(tx.Agent(agentID(n)))
		d.add("Token")(tx.Token(tokenID(n)))
		d.add("Tokens of one")(tx.Tokens(agentID(n)))
		d.add("Memberships")(tx.Memberships(agentID(n)))
		d.add("Presence")(tx.Presence(agentID(n)))
		d.add("Unread")(tx.Unread(agentID(n)))
		d.add("Invite")(tx.Invite(inviteID(n)))
		d.conversation(tx, convID(n))
	}
	d.add("Leases of all")(tx.Leases(""))
	d.add("Seats")(tx.Seats())
	d.add("Alerts")(tx.Alerts(time.Time{}, 0))
	d.add("Alerts since 2")(tx.Alerts(at(2), 1))
	d.add("Permits")(tx.Permits(at(2)))
	for _, state := range []bridge.CommandState{bridge.CommandWaiting, bridge.CommandDone} {
		d.add("Commands")(tx.Commands(state, 2))
	}
	holders, err := tx.Holders()
	sortHolders(holders)
	d.add("Holders")(holders, err)
	for _, a := range accounts {
		n, times, err := tx.Charges(a, 1, 2, 3, 4)
		d.add(fmt.Sprintf("Charges %v: %d", a, n))(times, err)
	}
	d.add("Logs")(tx.Logs())
	d.add("Entries of the deployment")(tx.Entries(bridge.DeploymentLog, 0, 0))
	return d.shelves, d.err
}

type dumper struct {
	shelves []shelf
	err     error // the first that is not NotFound
}

func (d *dumper) conversation(tx bridge.Tx, id bridge.ConversationID) {
	d.add("Conversation")(tx.Conversation(id))
	d.add("Members")(tx.Members(id))
	d.add("Invites")(tx.Invites(id))
	d.add("Messages")(tx.Messages(id, 0, 0))
	d.add("Messages above 1")(tx.Messages(id, 1, 1))
	d.add("Deliveries")(tx.Deliveries(id, 0, 9))
	d.add("Deliveries of 2")(tx.Deliveries(id, 2, 2))
	d.add("Entries")(tx.Entries(string(id), 0, 0))
	d.add("Entries from 2")(tx.Entries(string(id), 2, 1))
	d.add("Tasks")(tx.Tasks(id, "", 0, 0))
	d.add("Open tasks above 1")(number(tx.Tasks(id, bridge.TaskOpen, 1, 1)))
	d.add("Leases")(tx.Leases(id))
	d.add("CountTasks")(tx.CountTasks(id))
	d.add("Permit")(tx.Permit(id))
	for n := 1; n <= 3; n++ {
		d.add("Message")(tx.Message(id, messageID(n)))
		d.add("Task")(tx.Task(id, taskID(n)))
		d.add("Command")(tx.Command(id, commandID(n)))
		d.add("Dependents")(number(tx.Dependents(id, taskID(n))))
	}
	d.add("Ready for nobody")(number(tx.Ready(id, "", 0)))
	for _, name := range names {
		d.add("Member " + name)(tx.Member(id, name))
		d.add("Waiting " + name)(tx.Waiting(id, name, 0))
		d.add("Waiting for one " + name)(tx.Waiting(id, name, 1))
		d.add("Held " + name)(tx.Held(id, name))
		d.add("Batch " + name)(tx.Batch(id, name, "rcpt_1"))
		d.add("Unacked " + name)(tx.Unacked(id, 2, name))
		d.add("Ready " + name)(number(tx.Ready(id, name, 0)))
		d.add("Ready, the best for " + name)(number(tx.Ready(id, name, 1)))
		d.add("Assigned " + name)(number(tx.Assigned(id, name)))
		d.add("Movable " + name)(number(tx.Movable(id, name, 2)))
	}
}

// add gives a function that takes a getter's results. That nothing was found is a result like others.
func (d *dumper) add(name string) func(rows any, err error) {
	return func(rows any, err error) {
		switch {
		case errors.Is(err, bridge.NotFound):
			d.shelves = append(d.shelves, shelf{name, "not found"})
		case err == nil:
			d.shelves = append(d.shelves, shelf{name, rows})
		case d.err == nil:
			d.err = fmt.Errorf("%s: %w", name, err)
		}
	}
}
