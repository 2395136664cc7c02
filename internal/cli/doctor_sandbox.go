package cli

import (
	"context"
	"os"
	"strings"

	"agentbridge/internal/bridge"
	"agentbridge/internal/sandbox"
)

// examineSandbox tries the sandbox that commands would run in. That there is none is a fault only where this environment lets processes
// run commands.
func examineSandbox(ctx context.Context, conf *config, d *diagnosis) {
	const what = "sandbox"
	report, err := sandbox.Probe(ctx, conf.sandbox(""))
	wanted := os.Getenv(runVariable) == "1"
	switch {
	case err != nil:
		d.bad(what, bridge.Errorf(bridge.Unavailable, "it could not be tried: %w", err).WithHint("commands in restricted and yolo mode are refused here until it can"))
	case !report.Held():
		var broken []string
		for _, c := range report.Checks {
			if !c.Held {
				broken = append(broken, c.Name+" ("+c.Detail+")")
			}
		}
		d.bad(what, bridge.Errorf(bridge.Denied, "%s does not hold: %s", report.Tier, strings.Join(broken, ", ")).WithHint("%s", report.Hint))
	case !report.OK() && wanted:
		d.bad(what, bridge.Errorf(bridge.Denied, "%s: restricted and yolo mode are refused here (%s)", report.Tier, strings.Join(report.Missing, "; ")).WithHint("%s", report.Hint))
	case !report.OK():
		d.good(what, "%s; restricted and yolo mode would be refused here (%s). %s", report.Tier, strings.Join(report.Missing, "; "), report.Hint)
	default:
		d.good(what, "%s (%s), %s", report.Tier, report.Version, some(len(report.Checks), "wall holds", "walls hold"))
	}
}
