#!/usr/bin/env bash
# Runs a command with a throwaway PostgreSQL server beside it: tools/postgres/with.sh COMMAND…
# The server is new, writes to a temporary directory with fsync on, and is gone afterwards. The command finds it in
# AGENTBRIDGE_TEST_POSTGRES (an address with its password). With STANDBY=yes a second server follows it, as the standby called
# "standby", which nobody waits for yet: AGENTBRIDGE_TEST_STANDBY is its address, and AGENTBRIDGE_TEST_PRIMARY_PID the process of the first.
# Needs PostgreSQL 14 or newer (Debian: postgresql), as root also an ordinary user to run it as: "postgres", or the one that
# AGENTBRIDGE_TEST_USER names.
set -euo pipefail

newest=$(printf '%s\n' /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql*/bin | sort -V | while read -r dir; do
	[[ ! -x $dir/initdb ]] || echo "$dir"
done | tail -n 1)
[[ -z $newest ]] || PATH=$newest:$PATH
if ! command -v initdb >/dev/null; then
	echo 'PostgreSQL is missing: install it (Debian: apt-get install postgresql) and run this again' >&2
	exit 1
fi

dir=$(mktemp -d "${TMPDIR:-/tmp}/agentbridge-postgres.XXXXXX")
as=()
if ((EUID == 0)); then
	user=${AGENTBRIDGE_TEST_USER:-postgres}
	if ! id "$user" >/dev/null 2>&1; then
		echo "PostgreSQL refuses to run as root, and there is no user $user; name one in AGENTBRIDGE_TEST_USER" >&2
		exit 1
	fi
	chown "$user" "$dir"
	as=(setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups --no-new-privs env HOME="$dir")
fi
as_user() { (cd "$dir" && "${as[@]}" "$@"); }

finish() {
	for data in "$dir/data" "$dir/standby"; do
		[[ ! -e $data/postmaster.pid ]] || as_user pg_ctl -D "$data" -m immediate -w stop >/dev/null 2>&1 || true
	done
	rm -rf "$dir"
}
trap finish EXIT
trap 'exit 1' INT TERM

password=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
(umask 077 && printf '%s\n' "$password" >"$dir/password")
((EUID != 0)) || chown "$user" "$dir/password"
as_user initdb -D data -U agentbridge --pwfile=password -A scram-sha-256 -E UTF8 --locale=C --no-instructions >"$dir/initdb.log" 2>&1 || {
	cat "$dir/initdb.log" >&2
	exit 1
}
rm "$dir/password"
as_user tee -a data/postgresql.conf >/dev/null <<CONF
listen_addresses = '127.0.0.1'
unix_socket_directories = '$dir'
max_connections = 300
fsync = on
log_min_messages = warning
CONF
# start DATA begins a server on a free port, which it leaves in $port.
start() {
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		port=$((20000 + RANDOM % 12000))
		if as_user pg_ctl -D "$1" -o "-p $port -c cluster_name=$1" -l "$dir/$1.log" -w -t 60 start >/dev/null 2>&1; then
			return
		fi
	done
	echo 'the PostgreSQL server does not start:' >&2
	cat "$dir/$1.log" >&2
	exit 1
}
address() { echo "postgres://agentbridge:$password@127.0.0.1:$port/postgres?sslmode=disable"; }

start data
AGENTBRIDGE_TEST_POSTGRES=$(address)
export AGENTBRIDGE_TEST_POSTGRES
if [[ -n ${STANDBY:-} ]]; then
	AGENTBRIDGE_TEST_PRIMARY_PID=$(head -n 1 "$dir/data/postmaster.pid")
	export AGENTBRIDGE_TEST_PRIMARY_PID
	PGPASSWORD=$password as_user pg_basebackup -h 127.0.0.1 -p "$port" -U agentbridge -D standby -R -X stream -c fast
	start standby
	AGENTBRIDGE_TEST_STANDBY=$(address)
	export AGENTBRIDGE_TEST_STANDBY
fi
"$@"
