package cli

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"agentbridge/internal/audit"
	"agentbridge/internal/bridge"
	"agentbridge/internal/workload"
)

// What evidence may be: more is no evidence of ours, and is not read.
const (
	mostManifest = 16 << 20
	mostOfFile   = 256 << 20
)

// refused is why a directory is no evidence to rely on.
func refused(format string, args ...any) error {
	return bridge.Errorf(bridge.Conflict, "the evidence is refused: "+format, args...).WithHint("it proves nothing as it is; get it again from where it was made")
}

// checked is what a check found.
type checked struct {
	Key    string                  `json:"key"`
	Pinned bool                    `json:"pinned"` // the key came from whoever asks
	Files  int                     `json:"files"`
	Logs   []bridge.AuditReport    `json:"logs"`
	Report workload.ValidateReport `json:"report"`
}

// checkEvidence verifies a directory of evidence with nothing but a public key, its own where none is given.
func (p *program) checkEvidence(dir, key string) error {
	root, err := os.OpenRoot(dir) // no link in it leads out of it
	if err != nil {
		return bridge.Errorf(bridge.Invalid, "%w", err).WithHint("name the directory that agentbridge validate --evidence wrote")
	}
	defer root.Close()
	c := checked{Pinned: key != ""}
	var keys []*audit.Verifier
	if c.Pinned {
		if keys, err = readKeysFrom(key); err != nil {
			return err
		}
	} else {
		text, err := readEvidence(root, path.Join(logsDir, auditPubFile), 4096)
		if err != nil {
			return err
		}
		if keys, err = parseKeys(strings.Fields(string(text))); err != nil {
			return refused("%s/%s holds no public key", logsDir, auditPubFile)
		}
	}
	signer, list, err := openManifest(root, keys)
	if err != nil {
		return err
	}
	c.Key, c.Files = signer.String(), len(list)
	if err := sameFiles(root, list); err != nil {
		return err
	}
	if err := c.numbers(root, signer); err != nil {
		return err
	}
	return p.answer(c, func() {
		p.printf("ok     manifest: %s, each as it was signed\n", some(c.Files, "file", "files"))
		p.reports(c.Logs)
		p.printf("ok     report: made again from the observations, to the byte\n")
		p.printf("\n%s, %s\n", c.Report.Verdict(), c.Report.Timers())
		if c.Pinned {
			p.printf("signed with the key that you gave: %s\n", c.Key)
			return
		}
		p.printf("signed with %s\n", c.Key)
		p.tell("that key came with the evidence, so this proves only that it fits itself: anybody could have made it. With --key KEY it proves whose it is")
	})
}

// readEvidence reads a plain file, up to most bytes.
func readEvidence(root *os.Root, name string, most int64) ([]byte, error) {
	info, err := root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, refused("%s is missing", name)
	case err != nil:
		return nil, bridge.Errorf(bridge.Invalid, "%w", err).WithHint("the directory must be readable")
	case !info.Mode().IsRegular():
		return nil, refused("%s is no plain file", name)
	case info.Size() > most:
		return nil, refused("%s has %d bytes, and may have %d", name, info.Size(), most)
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, bridge.Errorf(bridge.Invalid, "%w", err).WithHint("the directory must be readable")
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most+1))
}

// openManifest reads the signed list of files, and tells which key signed it.
func openManifest(root *os.Root, keys []*audit.Verifier) (*audit.Verifier, []listed, error) {
	signed, err := readEvidence(root, manifestFile, mostManifest)
	if err != nil {
		return nil, nil, err
	}
	for _, k := range keys {
		text, err := audit.OpenStatement(signed, evidenceKind, k)
		if errors.Is(err, audit.ErrOtherKey) {
			continue
		}
		if err != nil {
			return nil, nil, refused("its manifest: %w", err)
		}
		list, err := readManifest(text)
		return k, list, err
	}
	return nil, nil, bridge.Errorf(bridge.Denied, "the evidence is not signed with that key").WithHint("look whether the key is the one of that deployment; agentbridge audit key shows it there")
}

// namePattern is what paths in a manifest are made of: nothing that means something to a shell, a terminal or another system.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*$`)

// readManifest reads what [manifest] wrote, and refuses what it would not have written.
func readManifest(text string) (list []listed, err error) {
	_, rest, _ := strings.Cut(text, "\n")
	for line := range strings.Lines(rest) {
		var f listed
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 3)
		if len(parts) != 3 || !namePattern.MatchString(parts[2]) || parts[2] == manifestFile {
			return nil, refused("its manifest has a line that names no file of evidence")
		}
		f.path = parts[2]
		if f.size, err = strconv.ParseInt(parts[1], 10, 64); err != nil || f.size < 0 || f.size > mostOfFile {
			return nil, refused("its manifest gives %s an impossible size", f.path)
		}
		var hash []byte
		if _, err := fmt.Sscanf(parts[0], "%x", &hash); err != nil || len(hash) != sha256.Size {
			return nil, refused("its manifest gives %s no SHA-256", f.path)
		}
		copy(f.hash[:], hash)
		list = append(list, f)
	}
	for i := 1; i < len(list); i++ {
		if list[i-1].path >= list[i].path {
			return nil, refused("its manifest is not in order")
		}
	}
	if manifest(slices.Clone(list)) != text {
		return nil, refused("its manifest is not in the form that it is written in")
	}
	return list, nil
}

// sameFiles wants the files of the manifest, each as it was, and nothing else: no other file, directory or link.
func sameFiles(root *os.Root, list []listed) error {
	want, dirs := map[string]bool{manifestFile: true}, map[string]bool{".": true}
	for _, f := range list {
		want[f.path] = true
		for dir := path.Dir(f.path); dir != "."; dir = path.Dir(dir) {
			dirs[dir] = true
		}
	}
	err := fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return bridge.Errorf(bridge.Invalid, "%w", err).WithHint("the directory must be readable")
		case d.IsDir() && !dirs[name], !d.IsDir() && !want[name]:
			return refused("%q is no part of it", name)
		case !d.IsDir() && !d.Type().IsRegular():
			return refused("%q is no plain file", name)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, f := range list {
		text, err := readEvidence(root, f.path, mostOfFile)
		if err != nil {
			return err
		}
		if int64(len(text)) != f.size || sha256.Sum256(text) != f.hash {
			return refused("%s was changed", f.path)
		}
	}
	return nil
}

// numbers makes the report and the citation again from what they are of, and holds them against the logs.
func (c *checked) numbers(root *os.Root, signer *audit.Verifier) error {
	read := func(name string) (text []byte, err error) { return readEvidence(root, name, mostOfFile) }
	var run workload.ValidateRun
	var versions built
	for name, into := range map[string]any{runFile: &run, versionsFile: &versions} {
		text, err := read(name)
		if err != nil {
			return err
		}
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(into); err != nil {
			return refused("%s: %w", name, err)
		}
	}
	samples, err := read(samplesFile)
	if err != nil {
		return err
	}
	seen, err := workload.ReadObservations(bytes.NewReader(samples))
	if err != nil {
		return refused("%s: %w", samplesFile, err)
	}
	if c.Report, err = workload.Judge(run, seen); err != nil {
		return refused("%w", err)
	}
	figures, err := c.Report.JSON()
	if err != nil {
		return err
	}
	head, err := c.logs(root, signer, seen)
	if err != nil {
		return err
	}
	for name, want := range map[string][]byte{
		reportFile: figures, reportText: []byte(c.Report.Markdown()), protocolFile: []byte(workload.ProtocolTable()), citationFile: citation(c.Report, versions, head, figures),
	} {
		got, err := read(name)
		if err != nil {
			return err
		}
		if !bytes.Equal(got, want) {
			return refused("%s does not follow from the observations", name)
		}
	}
	return nil
}

// logs verifies the logs, and looks for each acknowledged message in them. It gives the deployment's head.
func (c *checked) logs(root *os.Root, signer *audit.Verifier, seen []workload.Observation) (head audit.Checkpoint, err error) {
	logs, err := fs.Sub(root.FS(), logsDir)
	if err != nil {
		return head, err
	}
	list, err := fs.ReadDir(logs, ".")
	if err != nil {
		return head, refused("it holds no logs")
	}
	names := []string{bridge.DeploymentLog}
	for _, e := range list {
		if e.IsDir() && e.Name() != bridge.DeploymentLog {
			names = append(names, e.Name())
		}
	}
	known := map[string][]audit.Mark{}
	if c.Logs, err = tileReports(logs, names, []*audit.Verifier{signer}, known); err != nil {
		return head, err
	}
	entered := map[workload.Acknowledged]bool{}
	for _, r := range c.Logs {
		if r.Fault != "" {
			return head, refused("the log %s: %s", r.Log, r.Fault)
		}
		tiles, err := fs.Sub(logs, r.Log)
		if err != nil {
			return head, err
		}
		for record, err := range audit.ReadTiles(tiles, r.Entries) {
			if err != nil {
				return head, refused("the log %s: %w", r.Log, err)
			}
			if e, err := audit.ParseRecord(record); err == nil && e.Action == "send" {
				entered[workload.Acknowledged{Conversation: bridge.ConversationID(r.Log), Message: bridge.MessageID(e.Subject)}] = true
			}
		}
	}
	text, err := readEvidence(root, acknowledgedFile, mostOfFile)
	if err != nil {
		return head, err
	}
	if err := unlogged(text, entered, seen); err != nil {
		return head, err
	}
	note, err := readEvidence(root, path.Join(logsDir, bridge.DeploymentLog, "checkpoint"), mostManifest)
	if err != nil {
		return head, err
	}
	head, _, err = openCheckpoint(note, []*audit.Verifier{signer})
	return head, err
}

// unlogged wants of row audit that it found as many messages without an entry as the logs here show.
func unlogged(text []byte, entered map[workload.Acknowledged]bool, seen []workload.Observation) error {
	missing, told, looked := 0, 0, 0
	n := 0
	for line := range strings.Lines(string(text)) {
		if n++; n == 1 {
			continue
		}
		conversation, message, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ",")
		if !ok {
			return refused("%s: line %d names no message", acknowledgedFile, n)
		}
		if !entered[workload.Acknowledged{Conversation: bridge.ConversationID(conversation), Message: bridge.MessageID(message)}] {
			missing++
		}
	}
	for _, o := range seen {
		if o.Row == "audit" && o.Series == "unlogged" {
			looked++
			told += int(o.Value)
		}
	}
	if looked > 0 && (told != missing || looked != n-1) {
		return refused("the report says that %d of %d acknowledged messages have no entry, and the logs say %d of %d", told, looked, missing, n-1)
	}
	return nil
}
