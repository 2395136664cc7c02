package bridge_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"agentbridge/internal/bridge"
)

// budgets is the table of all budgets, as the documents show it.
func budgets() string {
	var b strings.Builder
	b.WriteString("| what | of each | `default` | `strict` |\n| --- | --- | --- | --- |\n")
	for i, d := range bridge.DefaultLimits.Budgets {
		of := string(d.Of)
		if d.Of == bridge.Everybody {
			of = "store, from all addresses together"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", d.What(), of, d, bridge.StrictLimits.Budgets[i])
	}
	return b.String()
}

func TestLimits_TheDocumentsTellThem(t *testing.T) {
	for i, d := range bridge.DefaultLimits.Budgets {
		if s := bridge.StrictLimits.Budgets[i]; s.Kind != d.Kind || s.Of != d.Of || d.What() == "" {
			t.Errorf("budget %d is of %q of each %s by default, and of %q of each %s in strict", i, d.What(), d.Of, s.What(), s.Of)
		}
	}
	for _, path := range []string{"../../doc/guarantees.md", "../../doc/decisions/0019-limits.md"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "\n"+budgets()) {
			t.Errorf("%s does not hold the table of budgets:\n%s", path, budgets())
		}
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := "# " + strings.Replace(bridge.StrictLimits.Budgets[0].String(), "10 ", "10 messages ", 1) + "; default is 100, 500, 2000"; !strings.Contains(string(readme), want) {
		t.Errorf("README.md does not say %q", want)
	}
}
