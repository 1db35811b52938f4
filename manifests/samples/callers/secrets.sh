#!/bin/sh
# The Secrets of ../github.yaml and ../erp.yaml with values of your own, by kubectl:
#
#   export GITHUB_ACCESS_TOKEN=… GITHUB_REFRESH_TOKEN=… ERP_API_KEY=…
#   sh secrets.sh
#
# The values pass through standard input, where `ps` does not show them. What the samples' Secrets held
# before is replaced; the hub notices by itself.
set -eu
: "${GITHUB_ACCESS_TOKEN:?}" "${GITHUB_REFRESH_TOKEN:?}" "${ERP_API_KEY:?}"

put() { # NAMESPACE NAME; a line key=value for each key on standard input
  if kubectl --namespace "$1" get secret "$2" >/dev/null 2>&1; then verb=replace; else verb=create; fi
  kubectl --namespace "$1" create secret generic "$2" --from-env-file=/dev/stdin --dry-run=client --output yaml |
    kubectl "$verb" --filename -
}

put "${PROJECT:-project-123}" github-oauth <<LINES
accessToken=$GITHUB_ACCESS_TOKEN
refreshToken=$GITHUB_REFRESH_TOKEN
LINES

put "${TARGET:-project-456}" erp <<LINES
apiKey=$ERP_API_KEY
LINES
