package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"agentbridge/internal/workload"
)

// idle has 1,000 agents connected to one hub that do nothing.
func (b *bench) idle(ctx context.Context) error {
	rep, err := workload.Idle(ctx, b.program, b.some(1000), time.Duration(b.some(60))*time.Second)
	if err != nil {
		return err
	}
	for _, fault := range rep.Faults {
		fmt.Fprintln(os.Stderr, "idle:", fault)
	}
	b.rows = append(b.rows, row{
		fmt.Sprintf("%d idle agents on one hub, %.0f s", rep.Agents, rep.Span.Seconds()),
		fmt.Sprintf("%.1f %% of one core, %.0f MB (%.0f MB at most), %d connections, %d faults",
			rep.CPU*100, float64(rep.RSS)/1e6, float64(rep.PeakRSS)/1e6, rep.Connections, len(rep.Faults)),
		"–", "≤ 5 %, ≤ 200 MB", rep.CPU <= .05 && rep.RSS <= 200e6 && len(rep.Faults) == 0,
	})
	return nil
}

// keepalive has a keep-alive watch a hub that is restarted three times.
func (b *bench) keepalive(ctx context.Context) error {
	const restarts = 3
	rep, err := workload.KeepAlive(ctx, b.program, b.kept, restarts)
	if err != nil {
		return err
	}
	for _, list := range [][]string{rep.Unnoticed, rep.Faults} {
		for _, what := range list {
			fmt.Fprintln(os.Stderr, "keepalive:", what)
		}
	}
	b.rows = append(b.rows, row{
		fmt.Sprintf("keep-alive for %s, its hub killed %d times and stopped %d", b.kept, rep.Kills, rep.Stops),
		fmt.Sprintf("%d of %d messages noticed, p50 %s, slowest %.1f s; %d other faults", rep.Noticed, rep.Sent, ms(rep.Took.At(0.5)), rep.Took.At(1).Seconds(), len(rep.Faults)),
		"–", "100 % noticed", rep.Noticed == rep.Sent && rep.Kills+rep.Stops == restarts && len(rep.Unnoticed)+len(rep.Faults) == 0,
	})
	return nil
}
