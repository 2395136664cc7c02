package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"agentbridge/internal/bridge"
)

// Foreign names what the database's schema holds that no migration made, or that one made and is not as it made it: a trigger of
// another hand can undo what is written here.
func (s *Store) Foreign(ctx context.Context) ([]string, error) {
	ours, err := connect(memory)
	if err != nil {
		return nil, failure("make a schema to compare", err)
	}
	err = migrate(ours, false)
	var want []string
	if err == nil {
		want, err = objects(ours)
	}
	if err = errors.Join(err, ours.close()); err != nil {
		return nil, failure("make a schema to compare", err)
	}
	var list []string
	err = s.View(ctx, func(t bridge.Tx) error {
		got, err := objects(t.(*tx).c)
		list = nil
		for _, o := range got {
			if !slices.Contains(want, o) {
				name, _, _ := strings.Cut(o, "\x00")
				list = append(list, name)
			}
		}
		for _, o := range want {
			if name, _, _ := strings.Cut(o, "\x00"); !slices.Contains(got, o) && !slices.Contains(list, name) {
				list = append(list, "no "+name)
			}
		}
		return failure("read the schema", err)
	})
	return list, err
}

// objects are what a schema holds: of each its kind and name, and how it was made.
func objects(c *conn) (list []string, err error) {
	err = c.query(func(r *row) { list = append(list, fmt.Sprintf("%s %q\x00%s", r.text(), r.text(), r.text())) },
		`SELECT type, name, coalesce(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY type, name`)
	return list, err
}
