package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"agentbridge/internal/bridge"
	"agentbridge/internal/workload"
)

// failover kills the primary (SIGKILL) under the load of two hubs, again and again, each time with new servers, and promotes its synchronous
// standby. What the hubs' callers were told is confirmed must be there, once.
func (b *bench) failover(ctx context.Context) error {
	kills := b.some(10)
	if b.quick {
		kills = 2
	}
	acked, lost, doubled := 0, 0, 0
	var back workload.Sample
	for range kills {
		rep, err := b.failOver(ctx)
		if err != nil {
			return err
		}
		acked, lost, doubled, back = acked+rep.acked, lost+rep.lost, doubled+rep.doubled, append(back, rep.back)
		fmt.Fprintf(os.Stderr, "failover: %d confirmed, %d lost, %d doubled; first after the promotion: %s\n", rep.acked, rep.lost, rep.doubled, ms(rep.back))
	}
	b.rows = append(b.rows, row{
		fmt.Sprintf("PostgreSQL, %d kills of the primary under 8 clients at two hubs, synchronous standby promoted", kills),
		fmt.Sprintf("%d sends acknowledged, %d lost, %d doubled; first acknowledged after the promotion p50 %s, slowest %s", acked, lost, doubled, ms(back.At(.5)), ms(back.At(1))),
		"–", "0 lost, 0 doubled, ≤ 3 s", lost+doubled == 0 && acked > 0 && back.At(1) <= 3*time.Second,
	})
	return nil
}

// failedOver is what became of one kill.
type failedOver struct {
	acked, lost, doubled int
	back                 time.Duration
}

func (b *bench) failOver(ctx context.Context) (rep failedOver, err error) {
	servers, err := startPg(ctx, `"$AGENTBRIDGE_TEST_POSTGRES" "$AGENTBRIDGE_TEST_STANDBY" "$AGENTBRIDGE_TEST_PRIMARY_PID"`, "STANDBY=yes")
	if err != nil {
		return rep, err
	}
	defer func() { err = errors.Join(err, servers.stop()) }()
	primary, standby := servers.said[0], servers.said[1]
	pid, err := strconv.Atoi(servers.said[2])
	if err != nil {
		return rep, err
	}
	if err := waitForStandby(ctx, primary); err != nil {
		return rep, err
	}
	second, err := url.Parse(standby)
	if err != nil {
		return rep, err
	}
	first, err := url.Parse(primary)
	if err != nil {
		return rep, err
	}
	both, err := pgWith(primary, "host", first.Host+","+second.Host)
	if err != nil {
		return rep, err
	}
	if both, err = pgWith(both, "target_session_attrs", "read-write"); err != nil {
		return rep, err
	}
	f := pgField{b: b, dsn: both}
	const clients = 8
	if err := f.makePairs(ctx, both, clients); err != nil {
		return rep, err
	}
	for range 2 {
		hub, err := f.hub(ctx)
		if err != nil {
			return rep, err
		}
		defer hub.leave()
		f.hubs = append(f.hubs, hub)
		if _, _, _, err := f.ask(pgOrder{For: time.Millisecond}, 0, clients, hub); err != nil { // it is there
			return rep, err
		}
	}
	for i, hub := range f.hubs {
		if err := hub.in.Encode(pgOrder{From: i * clients / 2, To: (i + 1) * clients / 2, For: 8 * time.Second, Keep: true}); err != nil {
			return rep, err
		}
	}
	time.Sleep(3 * time.Second) // of load
	process, err := os.FindProcess(pid)
	if err == nil {
		err = process.Kill()
	}
	if err == nil {
		err = pgAdmin(ctx, standby, "SELECT pg_promote()")
	}
	if err != nil {
		return rep, err
	}
	promoted := time.Now()
	var acked []pgAck
	for _, hub := range f.hubs {
		var found pgFound
		if err := hub.out.Decode(&found); err != nil {
			return rep, err
		}
		if found.Fault != "" {
			return rep, errors.New(found.Fault)
		}
		acked = append(acked, found.Acked...)
	}
	return rep, rep.judge(ctx, standby, acked, promoted)
}

// judge compares what was acknowledged with what is there.
func (rep *failedOver) judge(ctx context.Context, dsn string, acked []pgAck, promoted time.Time) error {
	there := map[bridge.MessageID]int{}
	c, err := pgconn.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	rows := c.ExecParams(ctx, "SELECT id FROM agentbridge.messages", nil, nil, nil, nil).Read()
	if rows.Err != nil {
		return rows.Err
	}
	for _, r := range rows.Rows {
		there[bridge.MessageID(r[0])]++
	}
	rep.acked, rep.back = len(acked), time.Hour
	for _, a := range acked {
		switch there[a.Message] {
		case 0:
			rep.lost++
		case 1:
		default:
			rep.doubled++
		}
		if since := a.At.Sub(promoted); since > 0 {
			rep.back = min(rep.back, since)
		}
	}
	return nil
}

// waitForStandby has the primary wait for its standby from now on.
func waitForStandby(ctx context.Context, primary string) error {
	for _, sql := range []string{"ALTER SYSTEM SET synchronous_standby_names = 'standby'", "SELECT pg_reload_conf()"} {
		if err := pgAdmin(ctx, primary, sql); err != nil {
			return err
		}
	}
	for range 200 {
		c, err := pgconn.Connect(ctx, primary)
		if err != nil {
			return err
		}
		res := c.ExecParams(ctx, "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'", nil, nil, nil, nil).Read()
		c.Close(ctx)
		if len(res.Rows) == 1 {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return errors.New("the standby is not waited for")
}
