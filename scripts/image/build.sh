#!/usr/bin/env bash
# Builds the container image: static programs, CA certificates and licences, FROM scratch.
#
#   scripts/image/build.sh             with Docker, for this machine's platform
#   scripts/image/build.sh oci FILE    an OCI image layout of PLATFORMS as a tar, with Go alone
#
# Relative paths are from the root of the module.
#
# Environment: IMAGE (tag, default llmsweep:dev), GOARCH (of the first form), PLATFORMS (of the second, default linux/amd64 linux/arm64),
# VERSION (a label, default none), CA_CERTIFICATES (bundle to put in, default the system's), CONTEXT (keep the first form's build context
# in this folder). Exits 3, with the context in dist/image, where there is no Docker to build with.
#
# docker buildx could build both platforms as well, but it is missing in Docker as Debian packages it, and wants a builder in a container
# of its own for more than one. An image FROM scratch is a tar and three JSON documents, which scripts/image/layout writes anywhere.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
umask 022 # the modes of this tree are those of the image

limit=40000000 # bytes, uncompressed, of all files
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

find_certificates() {
	local path certificates=${CA_CERTIFICATES:-}
	for path in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
		if [[ -z $certificates && -r $path ]]; then certificates=$path; fi
	done
	if [[ ! -r $certificates ]]; then
		echo "image: no CA certificates found ${certificates:+at $certificates}: install ca-certificates, or set CA_CERTIFICATES to a bundle" >&2
		return 1
	fi
	echo "$certificates"
}

# make_context ARCH DIR: everything that the Dockerfile copies, and the Dockerfile.
make_context() {
	local root=$2/root certificates
	certificates=$(find_certificates)
	mkdir -p "$root/etc/ssl/certs" "$2/volumes/data" "$2/volumes/tmp"
	chmod 0755 "$2"
	chmod 1777 "$2/volumes/tmp"
	install -m 0644 scripts/image/Dockerfile "$2/Dockerfile"
	install -m 0644 "$certificates" "$root/etc/ssl/certs/ca-certificates.crt"
	local build=(env GOOS=linux GOARCH="$1" CGO_ENABLED=0 go) flags=(-trimpath -ldflags="-s -w")
	"${build[@]}" build "${flags[@]}" -o "$root/llmsweep" ./scripts/image/entrypoint
	"${build[@]}" test -c "${flags[@]}" -o "$root/bench.test" ./bench
	chmod 0755 "$root/llmsweep" "$root/bench.test"
	ln -s bench.test "$root/report"
	ln -s bench.test "$root/mockserver"
	install -m 0644 LICENSE "$root/LICENSE"
	env -u GOOS -u GOARCH go run ./scripts/image/notices -o "$root/THIRD_PARTY_LICENSES" -platform "linux/$1" ./bench ./scripts/image/entrypoint
	chmod 0644 "$root/THIRD_PARTY_LICENSES"
	check_size "$1" "$root"
}

# check_size ARCH ROOT: the limit is on what a node has to keep; what it pulls, once, is the smaller figure beside it.
check_size() {
	local name size packed bytes=0 pulled=0
	printf '%-36s %10s %12s\n' "linux/$1" bytes compressed
	for name in llmsweep bench.test etc/ssl/certs/ca-certificates.crt LICENSE THIRD_PARTY_LICENSES; do
		size=$(wc -c <"$2/$name")
		packed=$(gzip -6 -c "$2/$name" | wc -c)
		bytes=$((bytes + size)) pulled=$((pulled + packed))
		printf '%-36s %10d %12d\n' "$name" "$size" "$packed"
	done
	printf '%-36s %10d %12d\n' sum "$bytes" "$pulled"
	if ((bytes > limit)); then
		echo "image: the files for linux/$1 have $bytes bytes, at most $limit are allowed" >&2
		return 1
	fi
}

build_layout() {
	local platform contexts=()
	for platform in ${PLATFORMS:-linux/amd64 linux/arm64}; do
		if [[ $platform != linux/* ]]; then
			echo "image: platform \"$platform\": must be linux/ARCH, such as linux/arm64" >&2
			return 2
		fi
		make_context "${platform#linux/}" "$work/${platform#linux/}"
		contexts+=("$platform=$work/${platform#linux/}")
	done
	env -u GOOS -u GOARCH go run ./scripts/image/layout -o "$1" ${VERSION:+-label "org.opencontainers.image.version=$VERSION"} "${contexts[@]}"
}

build_with_docker() {
	local image=${IMAGE:-llmsweep:dev} arch=${GOARCH:-$(go env GOHOSTARCH)} flags=()
	make_context "$arch" "$work"
	if [[ -n ${CONTEXT:-} ]]; then
		mkdir -p "$CONTEXT"
		cp -R "$work/." "$CONTEXT/"
	fi
	if ! docker version >/dev/null 2>&1; then
		rm -rf dist/image
		mkdir -p dist
		cp -R "$work" dist/image
		echo "image: docker is missing or its daemon does not answer; the context is in dist/image: docker build -t $image dist/image" >&2
		return 3
	fi
	# The daemon's own platform needs no flag. For another one the builder without BuildKit trips over cached layers of the first.
	if [[ $arch != "$(docker version --format '{{.Server.Arch}}')" ]]; then flags=(--no-cache --platform "linux/$arch"); fi
	if [[ -n ${VERSION:-} ]]; then flags+=(--label "org.opencontainers.image.version=$VERSION"); fi
	docker build "${flags[@]}" -t "$image" "$work"
	docker image inspect --format "$image: {{.Size}} bytes, {{.Os}}/{{.Architecture}}, {{.Id}}" "$image"
}

case ${1:-}:$# in
:0) build_with_docker ;;
oci:2) build_layout "$2" ;;
*)
	echo "image: arguments \"$*\": must be none, or: oci FILE" >&2
	exit 2
	;;
esac
