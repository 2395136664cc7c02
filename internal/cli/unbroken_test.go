package cli

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// What `make chaos` builds in to break itself is in no other binary: neither the variables that choose it, nor a symbol of it.
func TestBinary_HoldsNoFailpointAndNoSeededBug(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "agentbridge")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", binary, "agentbridge/cmd/agentbridge").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	text, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	for _, variable := range []string{"AGENTBRIDGE_SEEDED_" + "BUG", "AGENTBRIDGE_FAIL" + "POINT"} {
		if bytes.Contains(text, []byte(variable)) {
			t.Errorf("the binary reads %s", variable)
		}
	}
	symbols, err := exec.Command("go", "tool", "nm", binary).Output()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(symbols, []byte("agentbridge/internal/bridge.(*Service).Send")) {
		t.Error("the binary's symbols cannot be read, so nothing is shown")
	}
	if found := regexp.MustCompile(`(?i)agentbridge/internal/\S*(seeded|failpoint|answerEarly|entryAlone)\S*`).Find(symbols); found != nil {
		t.Errorf("the binary holds %s", found)
	}
}
