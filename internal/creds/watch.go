package creds

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	lookEvery  = 500 * time.Millisecond // at the files of a repository that is a directory
	leastAfter = 10 * time.Second       // after a failure
)

// Watch calls pass at once, then every so often, less a random part of a tenth, and where the repository is a directory of this machine,
// within a second of a push. After a pass that failed it comes back sooner, then ever later, and never later than otherwise: invites do not
// last. What a pass returns is its own to tell. Watch ends with ctx.
func (r Repository) Watch(ctx context.Context, every time.Duration, pass func(context.Context) error) {
	failures := 0
	for ctx.Err() == nil {
		seen := r.look() // before the pass: what is pushed during it is not missed
		pause := every
		if pass(ctx) != nil {
			pause = min(leastAfter<<min(failures, 20), every)
			failures++
		} else {
			failures = 0
		}
		r.wait(ctx, seen, pause-rand.N(pause/10+1))
	}
}

// wait ends with the pause, a change, or ctx.
func (r Repository) wait(ctx context.Context, seen string, pause time.Duration) {
	end := time.NewTimer(pause)
	defer end.Stop()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-end.C:
			return
		case <-look.C:
			if r.look() != seen {
				return
			}
		}
	}
}

// look describes the files that change when a branch of a directory's repository does; empty elsewhere.
func (r Repository) look() string {
	if !isDirectory(r.URL) {
		return ""
	}
	var seen strings.Builder
	for _, dir := range []string{r.URL, filepath.Join(r.URL, ".git")} {
		for _, name := range []string{"refs/heads/" + r.Branch, "packed-refs", "reftable/tables.list"} {
			if info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(name))); err == nil {
				fmt.Fprintf(&seen, "%s %d %d\n", name, info.Size(), info.ModTime().UnixNano())
			}
		}
	}
	return seen.String()
}
