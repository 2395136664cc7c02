package creds

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestCheckURL_TakesDirectoriesSSHAndHTTPSAlone(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		dir: dir, "file://" + dir: dir, dir + "/": dir,
		"git@host.example:team/creds.git": "git@host.example:team/creds.git", "host:creds": "host:creds", "ssh://git@host:2222/x": "ssh://git@host:2222/x",
		"ssh://[::1]/x": "", "https://host.example/team/creds.git": "https://host.example/team/creds.git",
		"": "", "-uupload-pack=touch x": "", "--upload-pack=x": "", "ext::sh -c touch% x": "", "fd::7": "", "http://host/x": "", "git://host/x": "", "ftp://host/x": "",
		"ssh://-oProxyCommand=x/y": "", "ssh://git@-oProxyCommand=x/y": "", "-oProxyCommand=x:y": "", "git@-oProxyCommand=x:y": "", "ssh://-l@host/x": "",
		"https://ada:secret@host/x": "", "https://token@host/x": "", "ssh://git:secret@host/x": "", "https://host/x?y": "", "https://host/x#y": "",
		"https://host/x\ny": "", "host:x\x00y": "", "https:///x": "", "https://host": "", filepath.Join(dir, "none"): "", "file://relative": "",
		strings.Repeat("x", 2000): "", "transport::https://host/x": "",
	} {
		got, err := CheckURL(text)
		if got != want || (want == "") != (err != nil) {
			t.Errorf("CheckURL(%q) = %q, %v, want %q", text, got, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("CheckURL(%q): the error shows the password: %v", text, err)
		}
	}
}

func TestCheckBranch_TakesPlainNamesAlone(t *testing.T) {
	for name, want := range map[string]bool{
		DefaultBranch: true, "main": true, "team/creds": true, "v1.2": true,
		"": false, "-d": false, "--force": false, "a b": false, "a..b": false, "a:b": false, "+main": false, "a^": false, "a~1": false, "@{-1}": false, "x.lock": false,
		"a/.b": false, "/a": false, "a/": false, "a/-b": false, "refs/heads/*": false, "a\n": false, "ä": false, strings.Repeat("a", 101): false,
	} {
		if err := CheckBranch(name); (err == nil) != want {
			t.Errorf("CheckBranch(%q) = %v", name, err)
		}
	}
}

func TestWatch_ComesBackSoonerAfterAFailureAndThenEverLater(t *testing.T) {
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
		want := []time.Duration{0, 60, 60, 10, 20, 40, 80, 160, 240, 240, 240, 60}
		for n, pause := range want {
			pause *= time.Second
			got := at[0]
			if n > 0 {
				got = at[n] - at[n-1]
			}
			if got < pause || got > pause+pause/10+time.Millisecond {
				t.Errorf("pause %d is %s, want %s and up to a tenth", n, got, pause)
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
