package cli

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// nearestLocked gives the file that is locked by the process closest in kin to this one, and -1 where none is locked: a client's servers and
// its hooks have the client as their nearest common ancestor, another session's are further away. Of equals it is the first.
func nearestLocked(files []fs.FileInfo) int {
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		return -1
	}
	ours := ancestors(os.Getpid())
	best, depth := -1, len(ours)
	for line := range bytes.Lines(locks) {
		// 1: FLOCK  ADVISORY  READ 1234 fd:01:5678 0 EOF
		f := strings.Fields(string(line))
		if len(f) < 6 || f[1] != "FLOCK" {
			continue
		}
		i := slices.IndexFunc(files, func(info fs.FileInfo) bool { return info != nil && strings.HasSuffix(f[5], inode(info)) })
		pid, err := strconv.Atoi(f[4])
		if i < 0 || err != nil {
			continue
		}
		theirs := ancestors(pid)
		meet := slices.IndexFunc(ours, func(a int) bool { return slices.Contains(theirs, a) })
		if meet >= 0 && (meet < depth || meet == depth && i < best) {
			best, depth = i, meet
		}
	}
	return best
}

func inode(info fs.FileInfo) string {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "none"
	}
	return fmt.Sprintf(":%d", stat.Ino)
}

// ancestors are a process and those above it, as far as they can be seen.
func ancestors(pid int) (chain []int) {
	for pid > 0 && len(chain) < 32 {
		chain = append(chain, pid)
		_, pid = parentOf(pid)
	}
	return chain
}

// parentOf is what a process is called, and its parent; 0 where nobody knows.
func parentOf(pid int) (name string, parent int) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if err != nil || open < 0 || end < open {
		return "", 0
	}
	if fields := bytes.Fields(stat[end+1:]); len(fields) > 1 {
		parent, _ = strconv.Atoi(string(fields[1]))
	}
	return string(stat[open+1 : end]), parent
}

// lineage tells who started this process: its parent, and where that is a shell, the parent of it, because that may outlive the client
// that started it. It changes when one of them ends.
func lineage() [2]int {
	parent := os.Getppid()
	switch name, grand := parentOf(parent); name {
	case "sh", "bash", "dash", "zsh", "ash", "ksh", "fish":
		return [2]int{parent, grand}
	}
	return [2]int{parent}
}
