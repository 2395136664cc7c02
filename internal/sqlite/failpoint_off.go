//go:build !failpoint

package sqlite

import "time"

// What a build for `make chaos` can break around a commit; see failpoint.go. Here it is nothing, and the compiler leaves it out.

func (s *Store) beforeCommit() error { return nil }
func (s *Store) afterCommit()        {}

func systemClock() time.Time { return time.Now() }
