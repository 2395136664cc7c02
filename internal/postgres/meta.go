package postgres

func (t *tx) Meta(key string) ([]byte, error) {
	return one(t, "read meta "+key, (*row).blob, `SELECT value FROM meta WHERE key = $1`, key)
}

func (t *tx) PutMeta(key string, value []byte) error {
	return t.exec("put meta "+key, `
		INSERT INTO meta (key, value) VALUES ($1, $2)
		ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
		key, blob(value))
}
