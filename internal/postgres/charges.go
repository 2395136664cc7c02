package postgres

import (
	"time"

	"agentbridge/internal/bridge"
)

// Charges asks for the latest and three more in one trip, which are all that anyone asks for; further ones take another trip for each three.
func (t *tx) Charges(a bridge.Account, back ...int) (n int64, at []time.Time, err error) {
	at = make([]time.Time, len(back))
	for from := 0; err == nil && (from == 0 || from < len(back)); from += 3 {
		var before [3]int64 // how far before the latest; 1 is the latest itself, and nothing is at 0
		copyInt64(before[:], back[min(from, len(back)):])
		err = t.query("read charges", func(r *row) {
			n = r.int()
			k, when := r.int(), r.time()
			for i, b := range before {
				if b >= 1 && k == n+1-b && from+i < len(back) {
					at[from+i] = when
				}
			}
		}, `
			WITH latest AS (SELECT n FROM charges WHERE conversation = $1 AND holder = $2 AND kind = $3 ORDER BY n DESC LIMIT 1)
			SELECT latest.n, coalesce(c.n, 0), c.at FROM latest LEFT JOIN charges c ON c.conversation = $1 AND c.holder = $2 AND c.kind = $3
				AND c.n IN (latest.n + 1 - $4::bigint, latest.n + 1 - $5::bigint, latest.n + 1 - $6::bigint)`,
			string(a.Conversation), a.Holder, string(a.Kind), before[0], before[1], before[2])
	}
	return n, at, err
}

func copyInt64(to []int64, from []int) {
	for i := range min(len(to), len(from)) {
		to[i] = int64(from[i])
	}
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
