package main

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// platforms are the names that a bundle's manifest has for operating systems.
var platforms = map[string]string{"linux": "linux", "darwin": "darwin", "windows": "win32"}

// bundle makes an MCP bundle (MCPB, manifest 0.4) of a program at …/OS-ARCH/FILE: a zip file with the manifest, the licence and the
// program. It also gives the file's name, which says for what machines it is; the manifest knows operating systems only.
func bundle(from, program, version string) (data []byte, name string, err error) {
	machine := filepath.Base(filepath.Dir(program))
	system, _, _ := strings.Cut(machine, "-")
	platform, ok := platforms[system]
	if !ok {
		return nil, "", fmt.Errorf("%s: no bundle for %q", program, machine)
	}
	file := filepath.Base(program)
	manifest, err := fill(filepath.Join(from, "mcpb", "manifest.json"), map[string]string{
		emptyVersion: versionField(version), `"platforms": []`: fmt.Sprintf(`"platforms": [%q]`, platform),
		"server/agentbridge": "server/" + file,
	})
	if err != nil {
		return nil, "", err
	}
	licence, err := os.ReadFile(filepath.Join(from, "..", "LICENSE"))
	if err != nil {
		return nil, "", err
	}
	binary, err := os.ReadFile(program)
	if err != nil {
		return nil, "", err
	}
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, f := range []struct {
		name string
		mode os.FileMode
		data []byte
	}{{"manifest.json", 0o644, manifest}, {"LICENSE", 0o644, licence}, {"server/" + file, 0o755, binary}} {
		// No time of making: the same program makes the same bundle. The zip format's time begins in 1980.
		h := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
		h.SetMode(f.mode)
		w, err := z.CreateHeader(h)
		if err != nil {
			return nil, "", err
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, "", err
		}
	}
	if err := z.Close(); err != nil {
		return nil, "", err
	}
	return out.Bytes(), fmt.Sprintf("agentbridge-%s-%s.mcpb", version, machine), nil
}
