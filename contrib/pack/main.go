// Command pack makes what clients install, out of the repository and programs built from it: the plugin for Claude Code, the extension for
// Gemini CLI, a bundle (.mcpb) for each platform, and the entry for the MCP registry. The same programs make the same bytes.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	var o options
	flag.StringVar(&o.version, "version", "dev", "the version, as git describes it")
	flag.StringVar(&o.owner, "owner", "agentbridge", "the account that the releases are under")
	flag.StringVar(&o.from, "from", "contrib", "the directory with what is to be packed")
	flag.StringVar(&o.out, "out", "dist", "the directory to write to")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: pack [flags] DIR/OS-ARCH/agentbridge…")
		flag.PrintDefaults()
	}
	flag.Parse()
	o.programs = flag.Args()
	made, err := pack(o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
	for _, name := range made {
		fmt.Println(name)
	}
}
