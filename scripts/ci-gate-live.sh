#!/usr/bin/env bash
# Measures two revisions of the mock server against each other, in real time and in turn on this machine, and fails on a proven regression.
# Both are built here; each run of an arm starts its server anew.
#
#   scripts/ci-gate-live.sh [BASE]     BASE: a revision, or . for the working tree itself; default: the merge base with origin/main or main
#
# Environment: OUT (results, default benchmarks/gate-live), GATE (YAML with primaries), GATE_ARGS (flags of the comparison),
# CANDIDATE_MOCK and BASE_MOCK (options of the servers), JUNIT (default OUT/junit.xml). GITHUB_STEP_SUMMARY gets a table, if it is set.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

base=${1:-}
if [[ -z $base ]]; then
	base=$(git merge-base HEAD origin/main 2>/dev/null || git merge-base HEAD main) || {
		echo "ci-gate-live: no merge base with origin/main or main: name a revision (in CI, fetch the whole history)" >&2
		exit 2
	}
fi
out=${OUT:-benchmarks/gate-live}
mkdir -p "$out"
out=$(cd "$out" && pwd)
junit=${JUNIT:-$out/junit.xml}

tree=.
if [[ $base != . ]]; then
	parent=$(mktemp -d)
	tree=$parent/base
	git worktree add --quiet --detach "$tree" "$base"
	trap 'git worktree remove --force "$tree"; rmdir "$parent"' EXIT
fi
(cd "$tree" && go build -o "$out/mockserver-base" ./mockserver/cmd/mockserver)
go build -o "$out/mockserver-candidate" ./mockserver/cmd/mockserver

# shellcheck disable=SC2086 # several flags in one variable
go tool gotestsum --format standard-verbose --junitfile "$junit" -- -count=1 -timeout 0 ./bench -run Gate \
	-arm=base=http://127.0.0.1:18101 "-arm-command=base='$out/mockserver-base' -port 18101 ${BASE_MOCK:-}" \
	-arm=candidate=http://127.0.0.1:18102 "-arm-command=candidate='$out/mockserver-candidate' -port 18102 ${CANDIDATE_MOCK:-}" \
	-output-dir="$out/results" -overwrite ${GATE:+-gate="$GATE"} ${GATE_ARGS:-}
