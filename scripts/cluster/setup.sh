#!/usr/bin/env bash
# Prepares a namespace for benchmarks: the volume for results, the service account, and the secret with the Hugging Face token if there is one.
#
#   NAMESPACE=benchmarking HF_TOKEN=… scripts/cluster/setup.sh
#
# Environment: NAMESPACE (default default), HF_TOKEN (optional: for the tokenizers of gated models),
# PVC_NAME (default dynamo-pvc), YES=1 or FORCE=1, also y, yes or true (ask nothing), KUBECTL (default kubectl),
# REQUEST_TIMEOUT (of one request to the API server, default 20s).
# Exits 0 when everything is there, 1 when something is missing or was declined.
set -euo pipefail
# Or [a-z] would match capitals in some languages.
export LC_ALL=C
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

namespace=${NAMESPACE:-default}
claim=${PVC_NAME:-dynamo-pvc}
kubectl=${KUBECTL:-kubectl}
token=${HF_TOKEN:-}
# A child needs the token in its environment no more than on its command line.
unset HF_TOKEN

fail() {
	printf 'setup: %s\n' "$1" >&2
	exit 1
}

# kube ARGUMENTS: kubectl in the namespace, with a bound on every request.
kube() { "$kubectl" --namespace "$namespace" --request-timeout "${REQUEST_TIMEOUT:-20s}" "$@"; }

label='[a-z0-9]([-a-z0-9]*[a-z0-9])?'
[[ $namespace =~ ^$label$ && ${#namespace} -le 63 ]] ||
	fail "namespace \"$namespace\": must be lower-case letters, digits and -, 63 characters at most"
[[ $claim =~ ^$label(\.$label)*$ && ${#claim} -le 253 ]] ||
	fail "PVC_NAME \"$claim\": must be lower-case letters, digits and -, dots between, 253 characters at most"
command -v "$kubectl" >/dev/null ||
	fail "$kubectl: not found on PATH: install it (https://kubernetes.io/docs/tasks/tools/) or set KUBECTL to its path"

is_yes() { [[ $1 =~ ^(1|[yY]|[yY][eE][sS]|[tT][rR][uU][eE])$ ]]; }

# confirm QUESTION: goes on, or ends the script.
confirm() {
	if is_yes "${YES:-}" || is_yes "${FORCE:-}"; then return; fi
	if [[ ! -t 0 ]]; then fail "$1 No terminal to ask on: set YES=1 to go on"; fi
	local answer
	read -r -p "setup: $1 Go on? [y/N] " answer
	is_yes "$answer" || fail "stopped; nothing was changed"
}

# What kubectl says of a missing namespace is clear, but not what to do about it.
if ! reason=$(kube get namespace "$namespace" -o name 2>&1); then
	case $reason in
	*Forbidden*) echo "whether namespace \"$namespace\" exists may not be asked here: going on" ;;
	*NotFound*) fail "namespace \"$namespace\": not found: create it with kubectl create namespace $namespace, or set NAMESPACE" ;;
	*) fail "namespace \"$namespace\": $reason" ;;
	esac
fi

# The platform's pods tell a namespace in which Dynamo serves from a mistyped one; other servers do without.
pods=$(kube get pods --field-selector=status.phase=Running -o name) || fail "listing the pods of namespace \"$namespace\" failed; see above"
if ! grep -q '^pod/dynamo-platform' <<<"$pods"; then
	confirm "no dynamo-platform pods run in namespace \"$namespace\"."
fi

# A claim cannot be changed once it exists, and an account of that name may have other users, who need its token.
if kube get pvc "$claim" -o name >/dev/null 2>&1; then
	echo "persistentvolumeclaim/$claim exists, left as it is"
else
	# Quoted: a claim may be called 1e3, which YAML takes for a number.
	sed "s/^  name: dynamo-pvc\$/  name: \"$claim\"/" "$here/pvc.yaml" | kube apply -f -
fi
if kube get serviceaccount dynamo-sa -o name >/dev/null 2>&1; then
	echo "serviceaccount/dynamo-sa exists, left as it is"
else
	kube apply -f "$here/serviceaccount.yaml"
fi
if [[ -n $token ]]; then
	printf '%s' "$token" |
		kube create secret generic hf-token-secret --from-file=HF_TOKEN=/dev/stdin --dry-run=client -o yaml |
		kube apply -f -
else
	echo "HF_TOKEN is not set: no secret hf-token-secret, which only the tokenizers of gated models need"
fi

expected=("pvc/$claim" serviceaccount/dynamo-sa)
if [[ -n $token ]]; then expected+=(secret/hf-token-secret); fi
kube get "${expected[@]}" -o name >/dev/null || fail "not everything is there; see above"
echo "namespace \"$namespace\" is ready; next: kubectl -n $namespace apply -f scripts/cluster/benchmark_job.yaml"
if [[ $claim != dynamo-pvc ]]; then
	echo "benchmark_job.yaml names dynamo-pvc: render one for $claim with go run ./scripts/cluster/render -pvc $claim …"
fi
