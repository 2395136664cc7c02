package sqlite

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"agentbridge/internal/bridge"
)

// Hints travel between processes as datagrams. Each process that watches has an inbox in the run directory, p.BOX, and for each
// topic a sign, t.TOPIC.BOX, a link to it; so a writer reads from the names alone whom to tell. A hint says which topics.
const (
	boxMark    = "p."
	signMark   = "t."
	everyTopic = "all" // the sign of one who watches more topics than it has signs for
)

// letter is the longest hint, in bytes; eight say a topic, and an empty one means any.
const letter = 4096

// box names the inbox of a process, short because the path of a socket is.
func box(instance bridge.Instance) string { return id(instance)[:12] }

// removeBox deletes an inbox and its signs.
func removeBox(run, box string) {
	signs, _ := filepath.Glob(filepath.Join(run, signMark+"*."+box))
	for _, name := range append(signs, filepath.Join(run, boxMark+box)) {
		_ = os.Remove(name)
	}
}

func (in *inbox) sign(what string) bool {
	err := os.Symlink(boxMark+in.box, in.signPath(what))
	return err == nil || os.IsExist(err)
}

func (in *inbox) unsign(what string) { _ = os.Remove(in.signPath(what)) }

func (in *inbox) signPath(what string) string {
	return filepath.Join(in.run, signMark+what+"."+in.box)
}

func (in *inbox) close() error {
	err := in.conn.Close()
	removeBox(in.run, in.box)
	return err
}

// post tells other processes. It knows who watches what from the names in the run directory, which it reads again when they
// changed.
type post struct {
	mu    sync.Mutex // guards all below
	out   socket
	read  time.Time // the directory's time of change that boxes is of; zero: read it again
	boxes map[string][]string
}

// fresh is how old a change must be for the next one to surely show: clocks of file systems are coarse.
const fresh = 20 * time.Millisecond

// send gives a hint to every process that watches one of the topics. What cannot be delivered is left to the poll.
func (p *post) send(run string, own bridge.Instance, topics []topic) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.look(run)
	if len(p.boxes) == 0 {
		return
	}
	hints := map[string][]byte{}
	add := func(t topic, names []string) {
		for _, name := range names {
			hints[name] = binary.BigEndian.AppendUint64(hints[name], uint64(t))
		}
	}
	for _, t := range topics {
		add(t, p.boxes[t.String()])
		add(t, p.boxes[everyTopic])
	}
	if own != "" {
		delete(hints, box(own)) // was woken without
	}
	for name, hint := range hints {
		if len(hint) > letter {
			hint = nil
		}
		if gone := p.out.send(run, boxMark+name, hint); gone {
			removeBox(run, name)
		}
	}
}

// look brings boxes up to date.
func (p *post) look(run string) {
	info, err := os.Stat(run)
	if err != nil {
		p.boxes = nil
		return
	}
	changed := info.ModTime()
	if !p.read.IsZero() && changed.Equal(p.read) {
		return
	}
	p.read, p.boxes = time.Time{}, map[string][]string{}
	if time.Since(changed) > fresh {
		p.read = changed
	}
	dir, err := os.Open(run)
	if err != nil {
		return
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		if sign, ok := strings.CutPrefix(name, signMark); ok {
			if what, box, ok := strings.Cut(sign, "."); ok && !slices.Contains(p.boxes[what], box) {
				p.boxes[what] = append(p.boxes[what], box)
			}
		}
	}
}

func (p *post) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.close()
}

// address is how to name a socket in the run directory: by its path, or through the directory's descriptor where the path is
// longer than a socket's may be.
func address(run *os.File, name string) string {
	const longest = 107
	if path := filepath.Join(run.Name(), name); len(path) <= longest {
		return path
	}
	return filepath.Join("/proc/self/fd", strconv.Itoa(int(run.Fd())), name)
}
