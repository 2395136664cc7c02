package postgres

import (
	"time"

	"agentbridge/internal/bridge"
)

func (t *tx) Charges(a bridge.Account, back ...int) (n int64, at []time.Time, err error) {
	at = make([]time.Time, len(back))
	err = t.query("count charges", func(r *row) { n = r.int() }, `
		SELECT n FROM charges WHERE conversation = $1 AND holder = $2 AND kind = $3 ORDER BY n DESC LIMIT 1`,
		string(a.Conversation), a.Holder, string(a.Kind))
	// Three at a time, which is all that anyone asks for; no charge has the number 0.
	for from := 0; from < len(back) && n > 0 && err == nil; from += 3 {
		var numbers [3]int64
		for i, b := range back[from:min(from+3, len(back))] {
			if b >= 1 && int64(b) <= n {
				numbers[i] = n + 1 - int64(b)
			}
		}
		if numbers == [3]int64{} {
			continue
		}
		err = t.query("read charges", func(r *row) {
			k, when := r.int(), r.time()
			for i := range numbers {
				if numbers[i] == k {
					at[from+i] = when
				}
			}
		}, `
			SELECT n, at FROM charges WHERE conversation = $1 AND holder = $2 AND kind = $3 AND n IN ($4, $5, $6)`,
			string(a.Conversation), a.Holder, string(a.Kind), numbers[0], numbers[1], numbers[2])
	}
	return n, at, err
}

func (t *tx) Charge(a bridge.Account, n int64, keep int) error {
	err := t.add("charge", `INSERT INTO charges (conversation, holder, kind, n, at) VALUES ($1, $2, $3, $4, $5)`,
		string(a.Conversation), a.Holder, string(a.Kind), n+1, t.now.UnixMicro())
	if err != nil {
		return err
	}
	return t.exec("forget a charge", `DELETE FROM charges WHERE conversation = $1 AND holder = $2 AND kind = $3 AND n = $4`,
		string(a.Conversation), a.Holder, string(a.Kind), n+1-int64(keep))
}

func (t *tx) DropCharges(before time.Time) error {
	return t.exec("forget old charges", `DELETE FROM charges WHERE conversation = '' AND at < $1`, before.UnixMicro())
}
