package sqlite

import (
	"time"

	"agentbridge/internal/bridge"
)

func (t *tx) Charges(a bridge.Account, back ...int) (int64, []time.Time, error) {
	type charge struct {
		n  int64
		at time.Time
	}
	scan := func(r *row) charge { return charge{r.int(), r.time()} }
	latest, err := many(t, "count charges", scan, `
		SELECT n, at FROM charges WHERE conversation = ? AND holder = ? AND kind = ? ORDER BY n DESC LIMIT 1`,
		string(a.Conversation), a.Holder, string(a.Kind))
	at := make([]time.Time, len(back))
	if err != nil || len(latest) == 0 {
		return 0, at, err
	}
	n := latest[0].n
	for i, b := range back {
		if b == 1 {
			at[i] = latest[0].at
			continue
		}
		if b < 1 || int64(b) > n {
			continue
		}
		err := t.query("read a charge", func(r *row) { at[i] = r.time() }, `
			SELECT at FROM charges WHERE conversation = ? AND holder = ? AND kind = ? AND n = ?`,
			string(a.Conversation), a.Holder, string(a.Kind), n+1-int64(b))
		if err != nil {
			return 0, at, err
		}
	}
	return n, at, nil
}

func (t *tx) Charge(a bridge.Account, n int64, keep int) error {
	err := t.add("charge", `INSERT INTO charges (conversation, holder, kind, n, at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		string(a.Conversation), a.Holder, string(a.Kind), n+1, t.now.UnixMicro())
	if err != nil {
		return err
	}
	return t.exec("forget a charge", `DELETE FROM charges WHERE conversation = ? AND holder = ? AND kind = ? AND n = ?`,
		string(a.Conversation), a.Holder, string(a.Kind), n+1-int64(keep))
}
