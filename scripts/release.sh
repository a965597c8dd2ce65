#!/usr/bin/env bash
# Builds all files of a release into dist/release: an archive of the programs for each platform, the image of both Linux platforms as an
# OCI layout, and SHA256SUMS. Nothing is published.
#
#   scripts/release.sh [TAG]     TAG must be v and the version in harness/sweep.go, which is the default
#
# Environment: that of scripts/image/build.sh. Needs GNU tar.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
umask 022

tag=v$(sed -n 's/^const Version = "\(.*\)"$/\1/p' harness/sweep.go)
if [[ ${1:-$tag} != "$tag" ]]; then
	echo "release: tag \"$1\": the programs call themselves $tag: change Version in harness/sweep.go first, or tag $tag" >&2
	exit 2
fi
if ! tar --version 2>/dev/null | grep -q 'GNU tar'; then
	echo "release: tar is not GNU tar, which makes equal archives of equal files: install it and put it first in PATH" >&2
	exit 1
fi
out=dist/release
rm -rf "$out"
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The same four names as in the image: report and mockserver are links to bench.test.
archive() {
	local name=llmsweep_${tag}_$1_$2
	local dir=$work/$name build=(env GOOS="$1" GOARCH="$2" CGO_ENABLED=0 go) flags=(-trimpath -ldflags="-s -w")
	mkdir "$dir"
	"${build[@]}" build "${flags[@]}" -o "$dir/llmsweep" ./scripts/image/entrypoint
	"${build[@]}" test -c "${flags[@]}" -o "$dir/bench.test" ./bench
	ln -s bench.test "$dir/report"
	ln -s bench.test "$dir/mockserver"
	cp LICENSE README.md "$dir/"
	go run ./scripts/image/notices -o "$dir/THIRD_PARTY_LICENSES" -platform "$1/$2" ./bench ./scripts/image/entrypoint
	tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --mtime=@0 -cf - "$name" | gzip -n -9 >"$out/$name.tar.gz"
}

for platform in linux/amd64 linux/arm64 darwin/amd64 darwin/arm64; do
	archive "${platform%/*}" "${platform#*/}"
done
VERSION=$tag PLATFORMS="linux/amd64 linux/arm64" scripts/image/build.sh oci "$out/llmsweep_${tag}_oci.tar"
(cd "$out" && sha256sum -- * >SHA256SUMS && wc -c -- * && cat SHA256SUMS)
