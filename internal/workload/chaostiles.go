package workload

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"agentbridge/internal/audit"
	"agentbridge/internal/bridge"
)

// tiles is what an export of the audit logs holds, read with nothing but its public key.
type tiles map[string][]audit.Entry // by log

// exportTiles has the program export its logs into a new directory. That it refuses, because its own log does not verify, is the fault.
func (p Program) exportTiles(dir string) (fault string) {
	p.Stderr = nil
	out, err := p.Command("audit", "export", "--format", "tiles", "--out", dir).CombinedOutput()
	if err != nil {
		return fmt.Sprintf("the logs cannot be exported: %v: %s", err, strings.TrimSpace(string(out)))
	}
	return ""
}

// readTiles verifies an export and reads its entries. What is wrong with a log is a fault; an error is of the reading.
func readTiles(dir string) (all tiles, faults []string, err error) {
	pub, err := os.ReadFile(filepath.Join(dir, "audit.pub"))
	if err != nil {
		return nil, nil, err
	}
	var keys []*audit.Verifier
	for line := range strings.Lines(string(pub)) {
		key, err := audit.ParseVerifier(strings.TrimSpace(line))
		if err != nil {
			return nil, nil, err
		}
		keys = append(keys, key)
	}
	logs, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, err
	}
	all = tiles{}
	told := map[string][]audit.Mark{}
	slices.SortFunc(logs, func(a, b fs.DirEntry) int { // the deployment's log tells of the others
		return cmp.Compare(rankOf(a.Name()), rankOf(b.Name()))
	})
	for _, log := range logs {
		if !log.IsDir() {
			continue
		}
		files := os.DirFS(filepath.Join(dir, log.Name()))
		rep, err := audit.VerifyTiles(files, keys, told[log.Name()]...)
		if err != nil {
			faults = append(faults, fmt.Sprintf("log %s: %v", log.Name(), err))
			continue
		}
		for raw, err := range audit.ReadTiles(files, rep.Size) {
			if err != nil {
				return nil, nil, err
			}
			e, err := audit.ParseRecord(raw)
			if err != nil {
				return nil, nil, err
			}
			all[log.Name()] = append(all[log.Name()], e)
		}
		if log.Name() == bridge.DeploymentLog {
			marks, err := bridge.ToldHeads(audit.ReadTiles(files, rep.Size))
			if err != nil {
				faults = append(faults, fmt.Sprintf("log %s: %v", log.Name(), err))
			}
			told = marks
		}
	}
	for log := range told {
		if _, there := all[log]; !there {
			faults = append(faults, fmt.Sprintf("log %s is told of, and is not there", log))
		}
	}
	return all, faults, nil
}

func rankOf(log string) int {
	if log == bridge.DeploymentLog {
		return 0
	}
	return 1
}

// number reads a fact.
func number(e audit.Entry, fact string) int64 {
	n, err := strconv.ParseInt(e.Facts[fact], 10, 64)
	if err != nil {
		return -1
	}
	return n
}
