package workload_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"agentbridge/internal/workload"
)

func TestCanary_NoSecretComesOutAnywhere(t *testing.T) {
	p := workload.Program{Path: build(t), Data: t.TempDir()}
	rep, err := workload.Canary(t.Context(), p, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range rep.Leaks {
		t.Error(l)
	}
	for _, f := range rep.Faults {
		t.Error(f)
	}
	total := 0
	for _, size := range rep.Places {
		total += size
	}
	t.Logf("%d secrets at %d doors, %d marks shown to others; looked at %d places, %d bytes", rep.Planted, len(rep.Doors), rep.Masked, len(rep.Places), total)
	if rep.Masked < 50 {
		t.Errorf("other members saw %d marks of redaction: most of what was planted went nowhere", rep.Masked)
	}
	for _, place := range []string{"data directory bridge.db", "bridge.db-wal at work", "stderr of all processes", "stdout of the shell", "answers over http", "bodies of alerts", "alerts .", "answers to beta on stdio"} {
		if rep.Places[place] == 0 {
			t.Errorf("nothing was looked at in %s, only in %v", place, rep.Places)
		}
	}
}

func TestCanaries_AreFoundInEveryForm(t *testing.T) {
	for _, shape := range workload.Shapes {
		c := workload.NewCanaries(7, 1)
		text := c.Plant("door", shape)
		secret := text[max(0, len(text)-26):]
		switch shape {
		case workload.URLPassword:
			secret = text[len("postgres://app:") : len("postgres://app:")+20]
		case workload.SplitToken:
			secret = text[4:16]
		case workload.AWSKey:
			secret = text[4:]
		case workload.Password:
			secret = text[len("the password: "):]
		}
		backwards := []byte(secret)
		slices.Reverse(backwards)
		var escaped strings.Builder
		for _, b := range []byte(secret) {
			fmt.Fprintf(&escaped, `\u%04x`, b)
		}
		for form, data := range map[string]string{
			"raw": text, "reversed": string(backwards), "hex": hex.EncodeToString([]byte(secret)), "url-encoded": url.QueryEscape(text), "json-escaped": escaped.String(),
			"base64": base64.StdEncoding.EncodeToString([]byte(secret)), "base64 within": base64.RawURLEncoding.EncodeToString([]byte("it is " + text + ".")),
			"a piece": secret[2:10], "upper hex": strings.ToUpper(hex.EncodeToString([]byte(secret))),
		} {
			if leaks := c.Look("place", []byte("before "+data+" after")); len(leaks) == 0 {
				t.Errorf("%s: %s is not found in %q", shape, form, data)
			}
		}
		if leaks := c.Look("place", []byte(secret[:7]+" "+secret[len(secret)-7:])); len(leaks) > 0 {
			t.Errorf("%s: seven characters are found: %v", shape, leaks)
		}
	}
}
