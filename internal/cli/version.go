package cli

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the build: -ldflags '-X agentbridge/internal/cli.version=v1.2.3'.
var version = "dev"

func (p *program) versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Say which agentbridge this is",
		Args:  count(0, 0, "none"),
		RunE: func(*cobra.Command, []string) error {
			v := build()
			return p.answer(v, func() { p.printf("agentbridge %s %s %s\n", v.Version, v.Go, v.Platform) })
		},
	}
	p.jsonFlag(cmd)
	return cmd
}

// built says what this binary is.
type built struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func build() built {
	b := built{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			b.Revision = s.Value
		}
	}
	return b
}

// dependency says which version of a module this binary holds.
func dependency(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return path
	}
	for _, m := range info.Deps {
		if m.Path == path {
			return m.Path + " " + m.Version
		}
	}
	return path
}
