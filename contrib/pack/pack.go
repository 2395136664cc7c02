package main

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// options are what pack works from.
type options struct {
	version, owner string
	from, out      string
	programs       []string // paths that end in OS-ARCH/FILE
}

// entry is the registry's description of one bundle (server.schema.json of 2025-12-11, Package).
type entry struct {
	RegistryType string    `json:"registryType"`
	Identifier   string    `json:"identifier"`
	Version      string    `json:"version"`
	FileSHA256   string    `json:"fileSha256"`
	Transport    transport `json:"transport"`
}

type transport struct {
	Type string `json:"type"`
}

// pack writes everything and tells what it wrote.
func pack(o options) (made []string, err error) {
	if !account.MatchString(o.owner) {
		return nil, fmt.Errorf("owner %q is no account", o.owner)
	}
	if len(o.programs) == 0 {
		return nil, errors.New("no program to bundle")
	}
	version := semantic(o.version)
	for _, tree := range []string{"claude-plugin", "gemini-extension"} {
		if err := copyTree(filepath.Join(o.from, tree), filepath.Join(o.out, tree), version); err != nil {
			return nil, err
		}
		made = append(made, filepath.Join(o.out, tree))
	}
	var entries []entry
	for _, program := range o.programs {
		bundle, name, err := bundle(o.from, program, version)
		if err != nil {
			return nil, err
		}
		if err := write(filepath.Join(o.out, name), bundle); err != nil {
			return nil, err
		}
		made = append(made, filepath.Join(o.out, name))
		entries = append(entries, entry{
			RegistryType: "mcpb", Version: version, Transport: transport{"stdio"},
			Identifier: fmt.Sprintf("https://github.com/%s/agentbridge/releases/download/v%s/%s", o.owner, version, name),
			FileSHA256: fmt.Sprintf("%x", sha256.Sum256(bundle)),
		})
	}
	packages, err := json.MarshalIndent(entries, "  ", "  ")
	if err != nil {
		return nil, err
	}
	server, err := fill(filepath.Join(o.from, "registry", "server.json"), map[string]string{
		emptyVersion: versionField(version), "OWNER": o.owner, `"packages": []`: `"packages": ` + string(packages),
	})
	if err != nil {
		return nil, err
	}
	name := filepath.Join(o.out, "server.json")
	return append(made, name), write(name, server)
}

var account = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})$`)

// semantic is a version as https://semver.org wants it. What git describes without a tag comes before all releases.
func semantic(described string) string {
	if v := strings.TrimPrefix(described, "v"); release.MatchString(v) {
		return v
	}
	return "0.0.0-dev-" + strings.Trim(unsayable.ReplaceAllString(described, "-"), "-")
}

var (
	release   = regexp.MustCompile(`^(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)(?:-[0-9A-Za-z.-]+)?$`)
	unsayable = regexp.MustCompile(`[^0-9A-Za-z-]+`)
)

// emptyVersion stands in the repository where the version goes.
const emptyVersion = `"version": "0.0.0"`

func versionField(version string) string { return fmt.Sprintf(`"version": %q`, version) }

// fill reads a JSON file and puts values where their names stand. All of them must stand there.
func fill(name string, values map[string]string) ([]byte, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	text := string(data)
	for what, value := range values {
		if !strings.Contains(text, what) {
			return nil, fmt.Errorf("%s: there is no %s to fill in", name, what)
		}
		text = strings.ReplaceAll(text, what, value)
	}
	if !json.Valid([]byte(text)) {
		return nil, fmt.Errorf("%s: filled in, it is no JSON", name)
	}
	return []byte(text), nil
}

// manifests are the files of a tree that name its version.
var manifests = []string{"plugin.json", "gemini-extension.json"}

func copyTree(from, to, version string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	tree := os.DirFS(from)
	return fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(tree, name)
		if err == nil && slices.Contains(manifests, path.Base(name)) {
			data, err = fill(filepath.Join(from, name), map[string]string{emptyVersion: versionField(version)})
		}
		if err != nil {
			return err
		}
		return write(filepath.Join(to, name), data)
	})
}

func write(name string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o644)
}
