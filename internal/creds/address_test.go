package creds

import (
	"path/filepath"
	"strings"
	"testing"
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
