#!/usr/bin/env bash
# Lints what lies in deploy/ with the field's own tools. Every finding is an error; exceptions are in the tools'
# configurations here, each with its reason.
#
#   run.sh BIN     BIN: where requirements.txt was installed
set -euo pipefail

bin=$(cd "${1:?the folder of the tools}" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
failed=0

# Runs a tool over files. A list that has become empty would pass without a word, so it fails.
lint() {
  local name=$1
  shift
  if [ "${*: -1}" = "--" ]; then
    echo "FAILED: $name has no file to look at"
    failed=1
    return
  fi
  if "$@"; then
    echo "ok: $name"
  else
    echo "FAILED: $name"
    failed=1
  fi
}

mapfile -t templates < <(find deploy/emr -name '*.yaml' | sort)
mapfile -t scripts < <(find deploy -name '*.sh' | sort)
mapfile -t dockerfiles < <(find deploy -name '*Dockerfile' | sort)
mapfile -t yaml < <(find deploy -name '*.yaml' | sort)

lint "cfn-lint" "$bin/cfn-lint" --regions us-east-1 --regions eu-central-1 --regions sa-east-1 -- "${templates[@]}"
lint "shellcheck" "$bin/shellcheck" --external-sources --severity=style -- "${scripts[@]}"
lint "hadolint" "$bin/hadolint" --config deploy/lint/hadolint.yaml -- "${dockerfiles[@]}"
lint "yamllint" "$bin/yamllint" --strict --config-file deploy/lint/yamllint.yaml -- "${yaml[@]}"
lint "compose schema" "$bin/check-jsonschema" --builtin-schema vendor.compose-spec -- deploy/containers/compose.yaml

# The schema knows the words, only Compose itself knows whether names and variables fit.
if command -v docker >/dev/null && docker compose version >/dev/null 2>&1; then
  filled=$(mktemp)
  trap 'rm -f "$filled"' EXIT
  sed 's/=$/=filled/' deploy/containers/.env.example >"$filled"
  lint "docker compose config" docker compose --env-file "$filled" --profile '*' \
    --file deploy/containers/compose.yaml config --quiet
else
  echo "SKIPPED: docker compose config (no Docker client with Compose)"
fi
exit "$failed"
