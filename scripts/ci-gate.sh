#!/usr/bin/env bash
# Compares two revisions of this module in virtual time and fails on a regression: the same sweep runs at both, and the candidate's
# figures must be no worse than the baseline's, by more than the margins of GATE.
#
#   scripts/ci-gate.sh [BASE]     BASE: a revision, or . for the working tree itself; default: the merge base with origin/main or main
#
# Environment: OUT (results, default benchmarks/gate), GATE (YAML with margins, default none: zero; its limits are the candidate's),
# SWEEP_ARGS (of both sweeps), CANDIDATE_ARGS (of the candidate's alone), JUNIT (default OUT/junit.xml). GITHUB_STEP_SUMMARY gets a table, if it is set.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

base=${1:-}
if [[ -z $base ]]; then
	base=$(git merge-base HEAD origin/main 2>/dev/null || git merge-base HEAD main) || {
		echo "ci-gate: no merge base with origin/main or main: name a revision (in CI, fetch the whole history)" >&2
		exit 2
	}
fi
out=${OUT:-benchmarks/gate}
mkdir -p "$out"
out=$(cd "$out" && pwd)
junit=${JUNIT:-$out/junit.xml}
rm -rf "$out/results/baseline" "$out/results/candidate"

# sweep TREE NAME [ARGS]: the same requests at both, since seed and nonce are fixed.
sweep() {
	echo "== $2: $1"
	# shellcheck disable=SC2086 # several flags in one variable
	(cd "$1" && go test ./bench -run Sweep -v -count=1 -timeout 0 -virtual -nonce=1 -plot=false \
		-benchmark-name="$2" -output-dir="$out/results" ${SWEEP_ARGS:-} ${3:-} | grep -v '^=== ')
}

tree=.
if [[ $base != . ]]; then
	parent=$(mktemp -d)
	tree=$parent/base
	git worktree add --quiet --detach "$tree" "$base"
	trap 'git worktree remove --force "$tree"; rmdir "$parent"' EXIT
fi
sweep "$tree" baseline
sweep . candidate "${CANDIDATE_ARGS:-}"
go tool gotestsum --format testname --junitfile "$junit" -- -count=1 ./bench -run Gate \
	-baseline="$out/results/baseline" -candidate="$out/results/candidate" ${GATE:+-gate="$GATE"}
