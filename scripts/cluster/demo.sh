#!/usr/bin/env bash
# Plays the way of a benchmark through a cluster with Docker alone: two mock servers, B at half the decode speed of A, a sweep container for
# each with the arguments of the Job, both on one volume, the results out as one tar, and a report that compares them.
#
#   scripts/cluster/demo.sh
#
# Environment: IMAGE (default llmsweep:dev, built here), OUT (for results and report, default benchmarks/cluster-demo), OSL, CONCURRENCIES
# and REQUEST_COUNT (of both sweeps). What it makes in Docker is removed at its end, however that comes, apart from the image.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if ! docker version >/dev/null 2>&1; then
	echo "cluster-demo: docker is missing or its daemon does not answer: install it (Debian: apt-get install docker.io) and start it" >&2
	exit 1
fi

image=${IMAGE:-llmsweep:dev}
out=${OUT:-benchmarks/cluster-demo}
demo=llmsweep-demo-$$ # the first part of every name, so that two demos do not meet
model=Qwen/Qwen3-0.6B
hardened=(--read-only --user 1000:1000 --cap-drop ALL --security-opt no-new-privileges)
results=$out/results
mkdir -p "$out"
rm -rf "$results"/{vllm-agg-a,vllm-agg-b,plots,MANIFEST.json}

network='' volume='' child=''
clean_up() {
	trap '' INT TERM
	if [[ -n $child ]]; then kill "$child" 2>/dev/null || true; fi
	local ids
	ids=$(docker ps --all --quiet --filter "name=^$demo-")
	# shellcheck disable=SC2086 # several of them
	if [[ -n $ids ]]; then docker rm --force --volumes $ids >/dev/null || true; fi
	if [[ -n $network ]]; then docker network rm "$network" >/dev/null || true; fi
	if [[ -n $volume ]]; then docker volume rm "$volume" >/dev/null || true; fi
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

steps=7 step=0
say() {
	step=$((step + 1))
	printf '\n[%d/%d] %s\n' "$step" "$steps" "$*"
}

# interruptibly COMMAND…: bash acts on a signal only when the command in the foreground has ended, but at once while it waits for one behind.
interruptibly() {
	"$@" &
	child=$!
	wait "$child"
	child=''
}

serve() { # NAME [FLAG…]
	docker run --detach --name "$demo-$1" --network "$network" --network-alias "$1" "${hardened[@]}" \
		"$image" mockserver -model-name "$model" "${@:2}" >/dev/null
}

# sweep creates the container in the foreground, so that no signal comes between: a docker run behind could still make one after clean_up.
sweep() { # BENCHMARK HOST
	docker create --name "$demo-$1" --network "$network" --volume "$volume:/data" "${hardened[@]}" \
		--env CONCURRENCIES="${CONCURRENCIES:-1,5,10,50}" --env REQUEST_COUNT="${REQUEST_COUNT:-}" \
		"$image" --model="$model" --tokenizer=embedded --isl=2000 --std=10 --osl="${OSL:-256}" --output-dir=/data/results \
		--benchmark-name="$1" --endpoint-url="$2:8000" >/dev/null
	interruptibly follow "$demo-$1"
}

follow() { # CONTAINER
	docker start --attach "$1" | grep --line-buffered -v -e '^===' -e '^Report: ' -e '^Summary: '
}

# verify DIR: the last entry of the tar names every other, so a tar that broke off cannot pass.
verify() (
	cd "$1"
	sums=$(sed -n -e 's/.*"name": "\(.*\)",$/\1/p' -e 's/.*"sha256": "\(.*\)".*/\1/p' MANIFEST.json | paste -d ' ' - - | sed 's/\(.*\) \(.*\)/\2  \1/')
	sha256sum --check --quiet --strict <<<"$sums"
	listed=$(wc -l <<<"$sums") found=$(find . -type f ! -path ./MANIFEST.json | wc -l)
	if ((listed != found)); then
		echo "cluster-demo: MANIFEST.json lists $listed files, and $found are there" >&2
		return 1
	fi
	echo "$listed files, all with the SHA-256 that MANIFEST.json gives"
)

say "Build the image $image"
IMAGE=$image interruptibly scripts/image/build.sh >"$out/build.log" 2>&1 || { cat "$out/build.log" >&2; exit 1; }
tail -1 "$out/build.log" | sed 's/, sha256.*//'

say "A network, a volume, two mock servers: B decodes at half the speed"
# Noted before they exist: a signal is acted on right after the command that it interrupts.
network=$demo
docker network create "$network" >/dev/null
volume=$demo
docker volume create "$volume" >/dev/null
serve mock-a
serve mock-b -decode-speedup-ratio 0.5

# At the same time the two would compete for the cores of this machine, and each would measure the other.
say "Job A sweeps mock-a (uid 1000, read-only root, results on the volume)"
sweep vllm-agg-a mock-a
say "Job B sweeps mock-b, after A, since both share this machine's cores"
sweep vllm-agg-b mock-b

say "Bring the results out: the access container packs the volume as a tar"
docker run --detach --name "$demo-access" --volume "$volume:/data" "${hardened[@]}" "$image" hold >/dev/null
docker exec "$demo-access" /llmsweep results tar -dir /data/results >"$out/results.tar"
mkdir -p "$results"
# -m: modification times are rounded to seconds, and tar complains about one that is half a second ahead.
tar -xmf "$out/results.tar" -C "$results"
verify "$results"

say "One report of both, made on this side"
interruptibly go run ./reporting/cmd/report -data-dir "$results" | sed "s|^$PWD/||"

say "SUMMARY.txt"
echo
sed "s|$PWD/||" "$results/plots/SUMMARY.txt"
