package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"agentbridge/internal/bridge"
)

func TestFinish_EveryCodeHasItsExitStatusAndAHint(t *testing.T) {
	for code, want := range bridge.Codes {
		var stdout, stderr bytes.Buffer
		p := &program{stdout: &stdout, out: bufio.NewWriter(&stdout), stderr: &stderr, began: true, json: true}
		p.logFrom(100)
		if got := p.finish(fmt.Errorf("while testing: %w", bridge.Errorf(code, "it went wrong"))); got != want.Exit {
			t.Errorf("%s: exit status %d, want %d", code, got, want.Exit)
		}
		if got := stderr.String(); !strings.HasPrefix(got, "error: it went wrong\nhint: ") || strings.HasSuffix(got, "hint: \n") {
			t.Errorf("%s: stderr %q, want the error and a hint", code, got)
		}
		if got := stdout.String(); !strings.HasPrefix(got, fmt.Sprintf(`{"code":%q,"message":"it went wrong","hint":"`, code)) {
			t.Errorf("%s: stdout %q, want the error shape", code, got)
		}
	}
}

func TestFinish_ShowsNothingOfAnErrorNobodyChecked(t *testing.T) {
	secret := "hunter2" + "-hunter2-hunter2"
	var stdout, stderr bytes.Buffer
	p := &program{stdout: &stdout, out: bufio.NewWriter(&stdout), stderr: &stderr, began: true, json: true}
	p.logFrom(0)
	if got := p.finish(errors.New("dial postgres://bridge:" + secret + "@127.0.0.1/x: broken")); got != 1 {
		t.Errorf("exit status %d, want 1", got)
	}
	if all := stdout.String() + stderr.String(); strings.Contains(all, secret) || !strings.Contains(all, "broken") {
		t.Errorf("stdout and stderr hold\n%s\nwant the failure without the password", all)
	}
}

func TestAgentName_IsMadeOfAnyDirectory(t *testing.T) {
	for dir, want := range map[string]string{
		"parser": "parser", "my project!": "my-project", "/": "agent", ".": "agent", "..": "agent", ".hidden": "hidden", "日本": "agent",
		"person": "agent", "bridge": "agent", "a.b_c-d": "a.b_c-d", "café": "caf", strings.Repeat("x", 100): strings.Repeat("x", 64),
	} {
		got := agentName(dir)
		if got != want {
			t.Errorf("agentName(%q) = %q, want %q", dir, got, want)
		}
		if err := checkFileName(got); err != nil {
			t.Errorf("agentName(%q) = %q: %v", dir, got, err)
		}
	}
}

// Who types in a shell is not sent to the tools of MCP, whatever tool or argument a refusal speaks of.
func TestInShell_NamesNoToolAndNoArgument(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "mcpserver", "testdata", "tools.json"))
	if err != nil {
		t.Fatal(err)
	}
	words := map[string]bool{}
	for _, m := range regexp.MustCompile(`"([a-z]+_[a-z_]+)"`).FindAllStringSubmatch(string(raw), -1) {
		words[m[1]] = true
	}
	if len(words) < 15 {
		t.Fatalf("tools.json names %d tools and arguments, want more", len(words))
	}
	hints := regexp.MustCompile(`(?:Errorf|WithHint)\(.*`)
	files, err := filepath.Glob(filepath.Join("..", "bridge", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, hint := range hints.FindAllString(string(source), -1) {
			for _, word := range regexp.MustCompile(`[a-z]+_[a-z_]+`).FindAllString(inShell(hint), -1) {
				if words[word] {
					t.Errorf("%s: %s speaks of %s in a shell", filepath.Base(file), hint, word)
				}
			}
		}
	}
}
