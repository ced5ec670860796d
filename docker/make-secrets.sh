#!/bin/sh
# Makes the secrets that compose.yaml mounts, for development: random ones, and those that
# the simulated partners ask for. What is there stays, so it may run again; replace a file
# by a real secret where a real partner is. Usage: docker/make-secrets.sh [FOLDER]
set -eu
folder=${1:-$(dirname "$0")/secrets}
mkdir -p "$folder"
chmod 700 "$folder" # who may enter; the files are read by the containers' own users
cd "$folder"

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
keep() { # NAME CONTENT
	[ -s "$1" ] || { printf '%s\n' "$2" >"$1" && chmod 444 "$1" && echo "made $folder/$1"; }
}

keep postgres_password "$(random)"
keep ledger_password "$(random)"
keep temporal_password "$(random)"
keep grafana_password "$(random)"
keep database_url "postgres://ledger:$(cat ledger_password)@postgres:5432/ledger?sslmode=disable"
keep api_tokens "till:agent:$(random),store:store:$(random),k2:k2:$(random),first:operator:$(random),second:operator:$(random)"
keep processing_token simulator
keep cfront_secret simulator-secret
