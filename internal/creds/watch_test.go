package creds

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

func TestWatch_ComesBackSoonerAfterAFailureAndNeverLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var at []time.Duration
		start := time.Now()
		Repository{URL: "git@host:x", Branch: DefaultBranch}.Watch(ctx, time.Minute, func(context.Context) error {
			at = append(at, time.Since(start))
			if len(at) == 12 {
				cancel()
			}
			if n := len(at); n >= 3 && n < 11 {
				return errors.New("away")
			}
			return nil
		})
		want := []time.Duration{0, 60, 60, 10, 20, 40, 60, 60, 60, 60, 60, 60}
		for n, pause := range want {
			pause *= time.Second
			got := at[0]
			if n > 0 {
				got = at[n] - at[n-1]
			}
			if got > pause || got < pause-pause/10-time.Millisecond {
				t.Errorf("pause %d is %s, want %s less up to a tenth", n, got, pause)
			}
		}
	})
}

func TestWatch_APushToADirectoryIsNoticedWithinSeconds(t *testing.T) {
	r := shared(t)
	ctx, cancel := context.WithCancel(t.Context())
	passes := make(chan struct{}, 10)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Watch(ctx, time.Hour, func(context.Context) error { passes <- struct{}{}; return nil })
	}()
	<-passes
	for n := range 3 { // the first makes the branch
		published(t, Repository{r.URL, r.Branch, t.TempDir()})
		if n == 1 {
			gitIn(t, r.URL, "", "pack-refs", "--all")
		}
		start := time.Now()
		select {
		case <-passes:
		case <-time.After(3 * time.Second):
			t.Fatalf("push %d was not noticed in 3 s", n)
		}
		t.Logf("noticed after %s", time.Since(start))
	}
	cancel()
	<-done
	if _, err := os.Stat(filepath.Join(r.URL, "packed-refs")); err != nil {
		t.Error(err)
	}
}
