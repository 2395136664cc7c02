package bridge_test

import (
	"encoding/json"
	"testing"

	"agentbridge/internal/bridge"
)

func TestVisible_LeavesWhatAReaderSeesAndNothingElse(t *testing.T) {
	for in, want := range map[string]string{
		`{"a":"plain\ntext","n":12345678901234567890}`:          `{"a":"plain\ntext","n":12345678901234567890}`,
		`{"a":"\u003cb\u003e größer","n":12345678901234567}`:    `{"a":"\u003cb\u003e größer","n":12345678901234567}`,
		`{"a":["\u001b]0;x\u0007red",{"b\u001b[2J":"\u202e"}]}`: `{"a":["red",{"b":""}]}`,
		"\"\u007f\u009b2Jx\"":                                   `"x"`,
		`"a\r\b\fb"`:                                            `"a\nb"`,
		`["\\u001b"]`:                                           `["\\u001b"]`,
	} {
		got, err := bridge.Visible(json.RawMessage(in))
		if err != nil || string(got) != want {
			t.Errorf("Visible(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	if _, err := bridge.Visible(json.RawMessage(`{"a":"\u001b`)); err == nil {
		t.Error("half an answer is one")
	}
}
