#!/usr/bin/env bash
# Runs every fuzz target of the tree, one after another, each for a time (default 1m). They are found in the sources, so that none is
# forgotten. An input that fails is left in the target's testdata/fuzz, where go test replays it from then on.
set -euo pipefail

time=${1:-1m}
cd "$(dirname "$0")/.."

failed=()
while IFS=: read -r file name; do
	echo "== $name in ${file%/*}"
	# In its own folder: some belong to nested modules. Making an input smaller would take a minute each, most of a short run.
	(cd "${file%/*}" && "${GO:-go}" test -run '^$' -fuzz "^$name\$" -fuzztime "$time" -fuzzminimizetime 2s .) || failed+=("$name in ${file%/*}")
done < <(grep -rEo --include='*_test.go' '^func Fuzz\w+' . | sed 's/func //' | sort)

if ((${#failed[@]} > 0)); then
	printf 'failed: %s\n' "${failed[@]}"
	exit 1
fi
