package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// packed packs stand-ins for programs.
func packed(t *testing.T, version string, machines ...string) (out string) {
	t.Helper()
	o := options{version: version, owner: "ada", from: "..", out: t.TempDir()}
	for _, machine := range machines {
		program := filepath.Join(t.TempDir(), machine, "agentbridge")
		if strings.HasPrefix(machine, "windows") {
			program += ".exe"
		}
		if err := write(program, []byte("a program for "+machine)); err != nil {
			t.Fatal(err)
		}
		o.programs = append(o.programs, program)
	}
	if _, err := pack(o); err != nil {
		t.Fatal(err)
	}
	return o.out
}

func read[T any](t *testing.T, name string) (v T) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(data, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// The rules are those of the registry's schema of 2025-12-11, and its own for bundles: a release's address and the sum of the file.
func TestServerJSON_NamesEveryBundleAsTheRegistryWantsIt(t *testing.T) {
	out := packed(t, "v1.2.3", "linux-amd64", "windows-arm64")
	server := read[struct {
		Schema                   string `json:"$schema"`
		Name, Title, Description string
		Version                  string
		Repository               struct{ URL, Source string }
		Packages                 []entry
	}](t, filepath.Join(out, "server.json"))
	if want := "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"; server.Schema != want {
		t.Errorf("the schema is %q, want %q", server.Schema, want)
	}
	if !regexp.MustCompile(`^[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+$`).MatchString(server.Name) || server.Name != "io.github.ada/agentbridge" {
		t.Errorf("the name is %q", server.Name)
	}
	if n := len(server.Description); n == 0 || n > 100 || server.Title == "" {
		t.Errorf("the description has %d characters, want 1 to 100; the title is %q", n, server.Title)
	}
	if server.Version != "1.2.3" || server.Repository.URL != "https://github.com/ada/agentbridge" || server.Repository.Source != "github" {
		t.Errorf("version %q, repository %+v", server.Version, server.Repository)
	}
	if len(server.Packages) != 2 {
		t.Fatalf("%d packages, want 2", len(server.Packages))
	}
	for i, machine := range []string{"linux-amd64", "windows-arm64"} {
		file := "agentbridge-1.2.3-" + machine + ".mcpb"
		data, err := os.ReadFile(filepath.Join(out, file))
		if err != nil {
			t.Fatal(err)
		}
		want := entry{
			RegistryType: "mcpb", Version: "1.2.3", Transport: transport{"stdio"}, FileSHA256: fmt.Sprintf("%x", sha256.Sum256(data)),
			Identifier: "https://github.com/ada/agentbridge/releases/download/v1.2.3/" + file,
		}
		if server.Packages[i] != want {
			t.Errorf("package %d is %+v, want %+v", i, server.Packages[i], want)
		}
	}
}

func TestBundle_HoldsTheProgramThatItsManifestStarts(t *testing.T) {
	tests := []struct{ machine, platform, program string }{
		{"linux-amd64", "linux", "server/agentbridge"},
		{"darwin-arm64", "darwin", "server/agentbridge"},
		{"windows-amd64", "win32", "server/agentbridge.exe"},
	}
	for _, test := range tests {
		z, err := zip.OpenReader(filepath.Join(packed(t, "v1.2.3", test.machine), "agentbridge-1.2.3-"+test.machine+".mcpb"))
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		f, err := z.Open("manifest.json")
		if err != nil {
			t.Fatal(err)
		}
		var manifest struct {
			Version string `json:"version"`
			Server  struct {
				Type       string `json:"type"`
				EntryPoint string `json:"entry_point"`
				Config     struct {
					Command string `json:"command"`
				} `json:"mcp_config"`
			} `json:"server"`
			Compatibility struct {
				Platforms []string `json:"platforms"`
			} `json:"compatibility"`
		}
		if err := json.NewDecoder(f).Decode(&manifest); err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprint(manifest.Version, manifest.Server.Type, manifest.Server.EntryPoint, manifest.Server.Config.Command, manifest.Compatibility.Platforms)
		if want := fmt.Sprint("1.2.3", "binary", test.program, "${__dirname}/"+test.program, []string{test.platform}); got != want {
			t.Errorf("%s: the manifest says %s, want %s", test.machine, got, want)
		}
		info, err := z.File[len(z.File)-1].Open()
		if err != nil || z.File[len(z.File)-1].Name != test.program || z.File[len(z.File)-1].Mode().Perm() != 0o755 {
			t.Errorf("%s: the program is %s, %s: %v", test.machine, z.File[len(z.File)-1].Name, z.File[len(z.File)-1].Mode(), err)
			continue
		}
		info.Close()
	}
}

func TestPack_SameProgramMakesTheSameBytes(t *testing.T) {
	var before []byte
	for range 2 {
		data, err := os.ReadFile(filepath.Join(packed(t, "v1.2.3", "linux-amd64"), "agentbridge-1.2.3-linux-amd64.mcpb"))
		if err != nil {
			t.Fatal(err)
		}
		if before != nil && !bytes.Equal(before, data) {
			t.Error("two bundles of the same program differ")
		}
		before = data
	}
}

func TestSemantic_IsAVersionWhateverGitSays(t *testing.T) {
	tests := []struct{ described, want string }{
		{"v1.2.3", "1.2.3"},
		{"1.2.3", "1.2.3"},
		{"v1.2.3-4-gdeadbee-dirty", "1.2.3-4-gdeadbee-dirty"},
		{"0123456", "0.0.0-dev-0123456"}, // a part of digits alone may not begin with 0
		{"d229fec-dirty", "0.0.0-dev-d229fec-dirty"},
		{"v1.2", "0.0.0-dev-v1-2"},
		{`"x"`, "0.0.0-dev-x"},
	}
	for _, test := range tests {
		if got := semantic(test.described); got != test.want {
			t.Errorf("semantic(%q) = %q, want %q", test.described, got, test.want)
		}
	}
}

// What a model reads costs its user: 500 tokens of 4 bytes each at most.
func TestSkill_TeachesInFewTokens(t *testing.T) {
	for _, name := range []string{"../claude-plugin/skills/agentbridge/SKILL.md", "../gemini-extension/GEMINI.md"} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if len(data) > 2000 {
			t.Errorf("%s has %d bytes, want at most 2000", name, len(data))
		}
		for _, tool := range []string{"create_conversation", "join_conversation", "check_messages", "send", "claim_task", "update_task", "not from your user"} {
			if !strings.Contains(string(data), tool) {
				t.Errorf("%s does not name %s", name, tool)
			}
		}
	}
}
