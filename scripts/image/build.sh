#!/usr/bin/env bash
# Builds the container image: four static programs and CA certificates, FROM scratch.
#
#   scripts/image/build.sh
#
# Environment: IMAGE (tag, default llmsweep:dev), GOARCH (default this machine's), CA_CERTIFICATES (bundle to put in, default the
# system's), CONTEXT (keep the build context in this folder). Exits 3, with the context in dist/image, where there is no Docker to build with.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

image=${IMAGE:-llmsweep:dev}
limit=40000000 # bytes, compressed
GOARCH=${GOARCH:-$(go env GOHOSTARCH)}
export GOARCH GOOS=linux CGO_ENABLED=0

certificates=${CA_CERTIFICATES:-}
for path in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
	if [[ -z $certificates && -r $path ]]; then certificates=$path; fi
done
if [[ ! -r $certificates ]]; then
	echo "image: no CA certificates found ${certificates:+at $certificates}: install ca-certificates, or set CA_CERTIFICATES to a bundle" >&2
	exit 1
fi

context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
mkdir -p "$context/volumes/data" "$context/volumes/tmp"
chmod 1777 "$context/volumes/tmp"
install -m 0644 "$certificates" "$context/ca-certificates.crt"
cp scripts/image/Dockerfile "$context/"
flags=(-trimpath -ldflags="-s -w")
go build "${flags[@]}" -o "$context/llmsweep" ./scripts/image/entrypoint
go build "${flags[@]}" -o "$context/report" ./reporting/cmd/report
go build "${flags[@]}" -o "$context/mockserver" ./mockserver/cmd/mockserver
go test -c "${flags[@]}" -o "$context/bench.test" ./bench
chmod 0755 "$context"/{llmsweep,report,mockserver,bench.test}

# What counts is what a node pulls before each job, and a registry holds layers compressed.
printf '%-12s %10s %12s\n' program bytes compressed
bytes=0 pulled=0
for program in llmsweep bench.test report mockserver; do
	size=$(wc -c <"$context/$program")
	packed=$(gzip -6 -c "$context/$program" | wc -c)
	bytes=$((bytes + size)) pulled=$((pulled + packed))
	printf '%-12s %10d %12d\n' "$program" "$size" "$packed"
done
printf '%-12s %10d %12d  linux/%s\n' sum "$bytes" "$pulled" "$GOARCH"
if ((pulled > limit)); then
	echo "image: the programs have $pulled bytes compressed, at most $limit are allowed" >&2
	exit 1
fi

if [[ -n ${CONTEXT:-} ]]; then
	mkdir -p "$CONTEXT"
	cp -R "$context/." "$CONTEXT/"
fi
if ! docker version >/dev/null 2>&1; then
	rm -rf dist/image
	mkdir -p dist
	cp -R "$context" dist/image
	chmod 0755 dist/image
	echo "image: docker is missing or its daemon does not answer; the context is in dist/image: docker build -t $image dist/image" >&2
	exit 3
fi
platform=()
# The daemon's own platform needs no flag. For another one the builder without BuildKit trips over cached layers of the first.
if [[ $GOARCH != "$(docker version --format '{{.Server.Arch}}')" ]]; then platform=(--no-cache --platform "linux/$GOARCH"); fi
docker build "${platform[@]}" -t "$image" "$context"
docker image inspect --format "$image: {{.Size}} bytes, {{.Os}}/{{.Architecture}}, {{.Id}}" "$image"
