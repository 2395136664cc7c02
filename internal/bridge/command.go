package bridge

import (
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"time"

	"agentbridge/internal/policy"
)

// CommandID names a command within its conversation: "cmd_" and 16 hex digits.
type CommandID string

// CommandState is where a command stands.
type CommandState string

// The command states. Of those below Running none is left again.
const (
	CommandWaiting  CommandState = "waiting"  // for a person
	CommandApproved CommandState = "approved" // a person said yes, and no runner has begun it
	CommandRunning  CommandState = "running"
	CommandDone     CommandState = "done"    // it ended by itself with exit status 0
	CommandFailed   CommandState = "failed"  // it ended otherwise, or could not be started
	CommandDenied   CommandState = "denied"  // a person said no
	CommandExpired  CommandState = "expired" // nobody said yes in time, or no runner began in time, or the permit ended
	CommandLost     CommandState = "lost"    // its runner is gone: nobody knows how far it came, and it is never run again
)

// Final reports whether nothing more becomes of a command in this state.
func (s CommandState) Final() bool {
	return s != CommandWaiting && s != CommandApproved && s != CommandRunning
}

// Command is what an agent asks to run, and what became of it.
type Command struct {
	Conversation ConversationID
	ID           CommandID
	Member       string // who asks
	Agent        AgentID
	Text         string // as it was asked, which is what is approved and run
	Reason       string // the agent's words
	Mode         policy.Mode
	Workspace    string // the absolute path of the directory it runs in, as the permit said when it was asked
	Verdict      policy.Verdict
	Why          string // the policy's words

	State     CommandState
	AskedAt   time.Time
	ExpiresAt time.Time // until when it may be approved, and begun
	ChangedAt time.Time // when it came into its state
	Network   bool      // a person let it reach the network
	Approval  []byte    // the signature under [Command.approvable]; nil: nobody approved it
	Word      string    // why a person said no

	Runner  Instance // the process that runs it; empty: none began
	Exit    int      // -1: it did not end by itself
	Output  string   // redacted
	Size    int64    // bytes of output there were
	Cut     bool     // Output is not all of it
	Outcome string   // how it ended, in the bridge's words: "timed out"
}

// Permit is a person's leave to run commands in a conversation, until it ends.
type Permit struct {
	Conversation ConversationID
	Mode         policy.Mode
	Workspace    string // an absolute path on the machine that runs them
	Auto         bool   // what safe mode allows needs nobody's yes
	InClient     bool   // a yes that a person gives in the program of the agent that asks counts, too
	Key          []byte // Ed25519: approvals, and the permit itself, are signed with its private half
	From, Until  time.Time
	EndedAt      time.Time // zero: it was not ended by hand
	ServedAt     time.Time // when a process that runs its commands last showed
	Signature    []byte    // over [Permit.approvable]
}

// good reports whether commands may be asked for, approved and begun under the permit now.
func (p Permit) good(now time.Time) bool {
	return p.Mode != 0 && p.EndedAt.IsZero() && now.Before(p.Until)
}

const (
	permitLabel  = "agentbridge permit v1"
	commandLabel = "agentbridge command v1"
)

// approvable is what a person's key signs of a permit: everything that says what it allows.
func (p Permit) approvable() []byte {
	return lengths(permitLabel, string(p.Conversation), p.Mode.String(), p.Workspace, fmt.Sprint(p.Auto, p.InClient), stamp(p.From), stamp(p.Until))
}

// approvable is what a person's key signs of a command: exactly what will run, where, for whom, and until when that may begin.
func (c Command) approvable() []byte {
	network := "no network"
	if c.Network {
		network = "network"
	}
	return lengths(commandLabel, string(c.Conversation), string(c.ID), string(c.Agent), c.Member, c.Text, c.Workspace, c.Mode.String(), network, stamp(c.ExpiresAt))
}

// approvedBy reports whether a person's key approved exactly this command.
func approvedBy(p Permit, c Command) bool {
	return len(p.Key) == ed25519.PublicKeySize && ed25519.Verify(p.Key, c.approvable(), c.Approval)
}

// lengths joins texts so that no other texts give the same bytes.
func lengths(parts ...string) (joined []byte) {
	for _, part := range parts {
		joined = append(binary.BigEndian.AppendUint64(joined, uint64(len(part))), part...)
	}
	return joined
}
