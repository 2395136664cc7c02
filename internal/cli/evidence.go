package cli

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"agentbridge/internal/audit"
	"agentbridge/internal/bridge"
	"agentbridge/internal/workload"
)

// Evidence is a directory that shows what a validation saw, to whoever has the deployment's public key. doc/protocol.md says what is in it.
const (
	evidenceKind     = "agentbridge.evidence/v1" // the first line of its manifest
	manifestFile     = "manifest"
	reportFile       = "report.json"
	reportText       = "report.md"
	runFile          = "run.json"
	samplesFile      = "samples.csv"
	acknowledgedFile = "acknowledged.csv"
	settingsFile     = "configuration.json"
	versionsFile     = "versions.json"
	hostFile         = "host.json"
	citationFile     = "citation.yaml"
	protocolFile     = "protocol.md"
	logsDir          = "logs"
)

// hostFacts are what a measurement depends on, and nothing that names the machine.
type hostFacts struct {
	Platform   string  `json:"platform"`
	Kernel     string  `json:"kernel,omitempty"`
	Processor  string  `json:"processor,omitempty"`
	Processors int     `json:"processors"`
	Memory     string  `json:"memory,omitempty"`
	Filesystem string  `json:"filesystem"`
	FsyncP50   float64 `json:"fsync_p50_ms"` // of one write of 4 KB, where the store is
	FsyncP99   float64 `json:"fsync_p99_ms"`
}

func factsOfHost(dir string) (h hostFacts, err error) {
	h = hostFacts{Platform: runtime.GOOS + "/" + runtime.GOARCH, Processors: runtime.NumCPU(), Filesystem: filesystem(dir)}
	first := func(file, key string) string {
		text, _ := os.ReadFile(file) // elsewhere than on Linux there is none
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == key {
				return strings.TrimSpace(value)
			}
		}
		return ""
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	h.Kernel, h.Processor, h.Memory = strings.TrimSpace(string(kernel)), first("/proc/cpuinfo", "model name"), first("/proc/meminfo", "MemTotal")
	took, err := workload.Fsyncs(dir, 100)
	h.FsyncP50, h.FsyncP99 = took.At(.5).Seconds()*1000, took.At(.99).Seconds()*1000
	return h, err
}

// writeEvidence writes evidence of a validation into an empty directory, and gives the public key that it is signed with.
func (p *program) writeEvidence(ctx context.Context, dir string, plan workload.ValidatePlan, conf *config, run workload.ValidateRun, seen []workload.Observation, acknowledged []workload.Acknowledged) (key string, err error) {
	signer := p.readSigner(conf.Data)
	if signer == nil {
		return "", bridge.Errorf(bridge.Unavailable, "the deployment's audit key is not at hand, so nothing can be signed").WithHint("agentbridge audit key says how to go on")
	}
	b := bundle{dir: dir, signer: signer}
	rep, err := workload.Judge(run, seen)
	if err != nil {
		return "", err
	}
	figures, err := rep.JSON()
	if err != nil {
		return "", err
	}
	host, err := factsOfHost(conf.Data)
	if err != nil {
		return "", err
	}
	var inForce []evidentSetting
	for _, s := range settings {
		inForce = append(inForce, evidentSetting{s.name, masked(conf.show(s)), conf.from[s.name]})
	}
	b.text(reportFile, figures)
	b.text(reportText, []byte(rep.Markdown()))
	b.json(runFile, run)
	b.text(samplesFile, workload.WriteObservations(seen))
	b.text(acknowledgedFile, writeAcknowledged(acknowledged))
	b.json(settingsFile, inForce)
	b.json(versionsFile, build())
	b.json(hostFile, host)
	b.text(protocolFile, []byte(workload.ProtocolTable()))
	head, err := b.logs(ctx, plan, acknowledged)
	if err != nil {
		return "", err
	}
	b.text(citationFile, citation(rep, build(), head, figures))
	if err := b.sign(); err != nil {
		return "", bridge.Errorf(bridge.Unavailable, "write the evidence: %w", err).WithHint("name a directory with room for it")
	}
	return signer.Verifier().String(), nil
}

// evidentSetting is a setting as evidence shows it: no secret.
type evidentSetting struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Source string `json:"source"`
}

// bundle is evidence that is being written.
type bundle struct {
	dir    string
	signer *audit.Signer
	err    error // the first; nothing is written after it
}

func (b *bundle) text(name string, text []byte) {
	if b.err == nil {
		b.err = os.WriteFile(filepath.Join(b.dir, name), text, 0o644)
	}
}

func (b *bundle) json(name string, v any) {
	text, err := json.MarshalIndent(v, "", "  ")
	b.err = cmp.Or(b.err, err)
	b.text(name, append(text, '\n'))
}

// logs exports the deployment's log and those of the run's conversations, and gives the deployment's head. In a deployment of its own that is all of them;
// of another's, the rest is nobody's business.
func (b *bundle) logs(ctx context.Context, plan workload.ValidatePlan, acknowledged []workload.Acknowledged) (head audit.Checkpoint, err error) {
	all := filepath.Join(plan.Scratch, "logs")
	cmd := plan.Program.Command("audit", "export", "--format", "tiles", "--out", all)
	defer context.AfterFunc(ctx, func() {
		if cmd.Process != nil {
			cmd.Process.Kill()
		}
	})()
	if _, err := cmd.Output(); err != nil {
		said := ""
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			said = ": " + line(masked(string(exit.Stderr)), 300)
		}
		return head, fmt.Errorf("export the logs: %w%s", err, said)
	}
	names, err := os.ReadDir(all)
	if err != nil {
		return head, err
	}
	for _, e := range names {
		ours := plan.Own || e.Name() == bridge.DeploymentLog || slices.ContainsFunc(acknowledged, func(a workload.Acknowledged) bool { return string(a.Conversation) == e.Name() })
		if e.IsDir() && ours {
			if err := os.CopyFS(filepath.Join(b.dir, logsDir, e.Name()), os.DirFS(filepath.Join(all, e.Name()))); err != nil {
				return head, err
			}
		}
	}
	note, err := os.ReadFile(filepath.Join(b.dir, logsDir, bridge.DeploymentLog, "checkpoint"))
	if err != nil {
		return head, err
	}
	head, _, err = openCheckpoint(note, []*audit.Verifier{b.signer.Verifier()})
	b.text(path.Join(logsDir, auditPubFile), []byte(b.signer.Verifier().String()+"\n"))
	return head, err
}

// sign writes the manifest: every file with its size and SHA-256, signed.
func (b *bundle) sign() error {
	if b.err != nil {
		return b.err
	}
	var list []listed
	err := fs.WalkDir(os.DirFS(b.dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(b.dir, filepath.FromSlash(name)))
		list = append(list, listed{name, int64(len(text)), sha256.Sum256(text)})
		return err
	})
	if err != nil {
		return err
	}
	signed, err := audit.SignStatement(b.signer, evidenceKind, manifest(list))
	if err != nil {
		return err
	}
	b.text(manifestFile, signed)
	return b.err
}

// listed is a line of a manifest.
type listed struct {
	path string
	size int64
	hash [sha256.Size]byte
}

// manifest is the text that is signed. The same files give the same text.
func manifest(list []listed) string {
	slices.SortFunc(list, func(a, b listed) int { return strings.Compare(a.path, b.path) })
	var b strings.Builder
	fmt.Fprintln(&b, evidenceKind)
	for _, f := range list {
		fmt.Fprintf(&b, "%x %d %s\n", f.hash, f.size, f.path)
	}
	return b.String()
}

// writeAcknowledged writes which messages a client was told are stored, as CSV.
func writeAcknowledged(list []workload.Acknowledged) []byte {
	var b strings.Builder
	b.WriteString("conversation_id,message_id\n")
	for _, a := range list {
		fmt.Fprintf(&b, "%s,%s\n", a.Conversation, a.Message)
	}
	return []byte(b.String())
}

// citation is the seed's block, of this run. It is made from what else is in the evidence alone.
func citation(rep workload.ValidateReport, v built, head audit.Checkpoint, figures []byte) []byte {
	sum := sha256.Sum256(figures)
	var b strings.Builder
	put := func(indent int, key, value string) {
		fmt.Fprintf(&b, "%s%s: %s\n", strings.Repeat("  ", indent), key, strconv.Quote(value))
	}
	put(0, "citation_id", "agentbridge.validate."+rep.Began.Format("20060102")+"."+hex.EncodeToString(sum[:8]))
	b.WriteString("source:\n")
	put(1, "type", "production_validation")
	put(1, "project", "agentbridge")
	put(1, "version", v.Version)
	put(1, "revision", v.Revision)
	put(1, "date", rep.Began.Format("2006-01-02"))
	put(1, "test_protocol", rep.Protocol)
	put(1, "deployment", rep.Deployment)
	put(0, "claim", rep.Verdict()+", "+rep.Timers())
	b.WriteString("validation:\n")
	put(1, "method", "real MCP clients, processes and timers; "+protocolFile+" says row by row what is done")
	b.WriteString("  evidence:\n")
	for _, row := range rep.Rows {
		fmt.Fprintf(&b, "    - %s\n", strconv.Quote(fmt.Sprintf("%s, %s: %s", row.ID, row.Title, row.State)))
	}
	b.WriteString("  data_paths: [" + strings.Join([]string{reportFile, samplesFile, acknowledgedFile, logsDir + "/", manifestFile}, ", ") + "]\n")
	b.WriteString("traceable:\n")
	put(1, "log", fmt.Sprintf("%s at %d entries, root %s", head.Origin, head.Size, head.Root))
	put(1, "messages", "each acknowledged message has its entry in the logs, which verify against their signed checkpoints")
	b.WriteString("transparent:\n")
	put(1, "numbers", "every figure of the report is made again from "+samplesFile+" by agentbridge validate --check")
	put(1, "conditions", settingsFile+", "+versionsFile+", "+hostFile)
	b.WriteString("trustworthy:\n")
	put(1, "signature", "the manifest holds the SHA-256 of every file, signed with the key of the deployment's checkpoints")
	put(1, "limits", "it proves what was measured there and then, to who knows the key; not that another deployment does the same")
	b.WriteString("reproducible: true\n")
	put(0, "repeat", "agentbridge validate --evidence DIR")
	return []byte(b.String())
}
