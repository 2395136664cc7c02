// Command agentbridge lets AI coding agents work together: an MCP server, the hub behind it, and its tools for a shell.
package main

import (
	"os"

	"agentbridge/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
