package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
)

func (p *program) statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "See in one screen where everything stands: who is there, who waits on whom, what is wrong",
		Long: `See in one screen where everything stands, of every open conversation: what is wrong; who is there, as the bridge saw it, and since
when; what is unread and what is overdue, unacked for longer than is usual; who waits on whom; and the tasks. An agent sets its own
status with agentbridge set-status.`,
		Args: count(0, 0, "none"),
	}
	p.jsonFlag(cmd)
	return p.asPerson(cmd, func(ctx context.Context, o *opened, _ []string) error {
		s, err := o.svc.Standing(ctx)
		if err != nil {
			return err
		}
		return p.answer(s, func() { p.standing(s) })
	})
}

func (p *program) standing(s bridge.Standing) {
	if s.Fork != nil {
		p.printf("%s\n\n", p.style(red, s.Fork.String()+": agentbridge audit verify"))
	}
	for _, c := range s.Conversations {
		p.conversationStanding(s.At, c)
		p.printf("\n")
	}
	if len(s.Conversations) == 0 {
		p.tell("no open conversations; agentbridge list shows those that ended")
	}
	switch {
	case s.SweptAt == nil:
		p.printf("%s\n", p.style(yellow, "nobody has swept yet: an agent's process, serve or watchdog does"))
	case s.At.Sub(*s.SweptAt) > sweptLately:
		p.printf("%s\n", p.style(yellow, "last swept "+distance(s.SweptAt.Sub(s.At))+", and now by nobody: an agent's process, serve or watchdog does; limits "+s.Limits))
	default:
		p.printf("%s\n", p.style(dim, "being swept, limits "+s.Limits))
	}
}

// sweptLately is how old the note that somebody sweeps may be while somebody does: it is written every 15 s, by a sweep that may be as
// far from the one before.
const sweptLately = 40 * time.Second

func (p *program) conversationStanding(now time.Time, c bridge.ConversationStanding) {
	p.printf("%s  ends %s", p.style(bold, string(c.Conversation)), distance(c.ExpiresAt.Sub(now)))
	if title := line(c.Title, 60); title != "" {
		p.printf("  %s", title)
	}
	p.printf("\n")
	p.problems("  ", c.Summary)
	rows := [][]string{{"  NAME", "RANK", "LIVENESS", "FOR", "STATUS", "UNREAD", "OVERDUE", "HOLDS"}}
	for _, m := range c.Roster {
		liveness, lasts := string(m.Liveness), "-"
		switch {
		case !m.Joined:
			liveness = "invited"
		case !m.Since.IsZero():
			lasts = old(now, m.Since)
		}
		rows = append(rows, []string{
			"  " + line(m.Name, 20), string(m.Rank), liveness, lasts, dash(string(m.Status)), strconv.Itoa(m.Unread), strconv.Itoa(m.Overdue), holds(m.Holds),
		})
	}
	p.table(rows...)
	for _, w := range c.Waits {
		p.printf("  %s waits for %s: %s %s (%s)\n", w.Who, w.On, waitFor[w.For], w.Subject, old(now, w.Since))
	}
	if tasks := taskCounts(c.Tasks); tasks != "" {
		p.printf("  tasks: %s\n", tasks)
	}
}

// waitFor says what somebody waits for, before what it is about.
var waitFor = map[bridge.WaitFor]string{
	bridge.WaitAnswer: "the answer to",
	bridge.WaitAck:    "the ack of",
	bridge.WaitTask:   "the end of",
}

// problems shows what is wrong with a conversation. That it is paused is meant, so it says how it goes on.
func (p *program) problems(indent string, c bridge.Summary) {
	for _, problem := range c.Problems {
		if c.PausedAt != nil && strings.HasPrefix(problem, "paused") {
			p.printf("%s%s\n", indent, p.style(yellow, fmt.Sprintf("%s: agentbridge resume %s", problem, c.Conversation)))
		} else {
			p.printf("%s%s\n", indent, p.style(red, problem))
		}
	}
}

// taskCounts says how many tasks are in each state that has any: 2 open, 1 claimed.
func taskCounts(counts map[bridge.TaskState]int) string {
	var parts []string
	for _, s := range []bridge.TaskState{bridge.TaskOpen, bridge.TaskClaimed, bridge.TaskDone, bridge.TaskFailed, bridge.TaskCancelled} {
		if n := counts[s]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, s))
		}
	}
	return strings.Join(parts, ", ")
}

// taskShare says how many of all tasks are done: 5/12 done.
func taskShare(counts map[bridge.TaskState]int) string {
	all := 0
	for _, n := range counts {
		all += n
	}
	if all == 0 {
		return ""
	}
	return fmt.Sprintf("%d/%d done", counts[bridge.TaskDone], all)
}

// holds shows the tasks that a member holds: the first, and how many more.
func holds(list []bridge.TaskID) string {
	switch len(list) {
	case 0:
		return "-"
	case 1:
		return string(list[0])
	}
	return fmt.Sprintf("%s and %d more", list[0], len(list)-1)
}
