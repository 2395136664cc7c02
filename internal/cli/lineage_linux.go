package cli

import (
	"bytes"
	"os"
	"strconv"
)

// lineage tells who started this process: its parent, and where that is a shell, the parent of it, because that may outlive the client
// that started it. It changes when one of them ends.
func lineage() [2]int {
	parent := os.Getppid()
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(parent) + "/stat")
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if err != nil || open < 0 || end < open {
		return [2]int{parent}
	}
	fields := bytes.Fields(stat[end+1:])
	switch string(stat[open+1 : end]) {
	case "sh", "bash", "dash", "zsh", "ash", "ksh", "fish":
		if len(fields) > 1 {
			grand, _ := strconv.Atoi(string(fields[1]))
			return [2]int{parent, grand}
		}
	}
	return [2]int{parent}
}
