package cli

import (
	"bufio"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"agentbridge/internal/clients"
)

func TestAsk_TakesNumbersNamesOrAll(t *testing.T) {
	for typed, want := range map[string]string{
		"\n": "", "": "", "1\n": "claude", "2, cursor\n": "codex cursor", "gemini 1": "gemini claude", "all\n": "claude codex gemini cursor vscode",
		"6\n": "refused", "0\n": "refused", "yes\n": "refused",
	} {
		p := &program{stdin: strings.NewReader(typed), out: bufio.NewWriter(io.Discard), stdout: io.Discard, stderr: io.Discard}
		chosen, err := p.ask(clients.All)
		var names []string
		for _, c := range chosen {
			names = append(names, c.Name)
		}
		got := strings.Join(names, " ")
		if err != nil {
			got = "refused"
		}
		if got != want {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
}

// A hook's line goes through a shell.
func TestQuoted_IsOneWordForAShell(t *testing.T) {
	got := map[string]string{}
	for _, word := range []string{"/usr/bin/agentbridge", "/opt/my tools/agentbridge", "/it's/agentbridge", "$(x)", ""} {
		got[word] = quoted(word)
	}
	want := map[string]string{
		"/usr/bin/agentbridge": "/usr/bin/agentbridge", "/opt/my tools/agentbridge": "'/opt/my tools/agentbridge'",
		"/it's/agentbridge": `'/it'\''s/agentbridge'`, "$(x)": "'$(x)'", "": "''",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
