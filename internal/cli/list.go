package cli

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
)

func (p *program) listCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the conversations, problems first",
		Args:  count(0, 0, "none"),
	}
	cmd.Flags().BoolVar(&all, "all", false, "also those that are over for more than an hour")
	p.jsonFlag(cmd)
	return p.asPerson(cmd, func(ctx context.Context, o *opened, _ []string) error {
		list, err := o.svc.List(ctx, all)
		if err != nil {
			return err
		}
		return p.answer(struct {
			Conversations []bridge.Summary `json:"conversations"`
		}{list}, func() {
			if len(list) == 0 {
				p.tell("no conversations%s", map[bool]string{false: "; --all shows those that are over"}[all])
				return
			}
			for _, c := range list {
				p.problems(string(c.Conversation)+"  ", c)
			}
			rows := [][]string{{"CONVERSATION", "STATE", "ENDS", "MESSAGES", "WAITING", "TASKS", "MEMBERS", "TITLE"}}
			for _, c := range list {
				state := string(c.Phase)
				if c.PausedAt != nil {
					state = "paused"
				}
				rows = append(rows, []string{
					string(c.Conversation), state, when(c.ExpiresAt), strconv.FormatInt(c.Messages, 10), strconv.Itoa(c.Waiting), dash(taskShare(c.Tasks)),
					dash(line(strings.Join(c.Members, ","), 40)), dash(line(c.Title, 40)),
				})
			}
			p.table(rows...)
		})
	})
}
