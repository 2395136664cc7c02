package cli

import "testing"

func TestAddLine_IsOneThatAShellTakesAsItIs(t *testing.T) {
	conf := &config{Data: "/home/some one/data", from: map[string]string{"data": "--data"}}
	if got, want := addLine(conf, "beta"), "claude mcp add bridge -- agentbridge mcp --as beta --data "+quoted(conf.Data); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
