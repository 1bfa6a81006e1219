# What submit-step.sh and submit-serverless.sh have in common: to compile a batch and to bring it to the bucket.
# shellcheck shell=bash

# How long between two looks at a running batch.
POLL_SECONDS=${POLL_SECONDS:-15}

fail() {
  echo "error: $1" >&2
  echo "hint: $2" >&2
  exit "${3:-1}"
}

need() {
  command -v "$1" >/dev/null || fail "$1 is not on the path" "$2"
}

# Checks job and lake, and sets `bucket`.
check_batch() {
  case $1 in
    ingest | summary | features) ;;
    *) fail "no job is called '$1'" "there are ingest, summary and features" 2 ;;
  esac
  [[ $2 =~ ^s3://([a-z0-9][a-z0-9.-]+)(/[^[:space:]]*)?$ ]] ||
    fail "'$2' is no lake in a bucket" "give --lake s3://bucket/prefix" 2
  bucket=${BASH_REMATCH[1]}
  need "$ENTREGA" "build it (make build), or set ENTREGA to where it is"
  need aws "install the AWS CLI"
}

# Compiles a batch and uploads it: sets `script` to its place, and `name`. Ends the program if there is nothing to do.
bring_batch() {
  local job=$1 lake=$2 file digest
  file=$(mktemp)
  # shellcheck disable=SC2064 # the name as it is now
  trap "rm -f '$file'" EXIT
  "$ENTREGA" compile "$job" --lake "$lake" --out "$file" ||
    fail "entrega compile $job failed" "what it said is above; nothing was submitted"
  if ! grep --quiet --extended-regexp --invert-match '^[[:space:]]*(--.*)?$' "$file"; then
    echo "nothing to do: the batch has no statement"
    exit 0
  fi
  digest=$(sha256sum "$file")
  name="entrega $job ${digest:0:12}"
  script="s3://$bucket/_emr/batches/$job-$(date -u +%Y%m%dT%H%M%SZ)-${digest:0:12}.sql"
  aws s3 cp --only-show-errors "$file" "$script" ||
    fail "the batch could not be put at $script" "the policy BatchesPolicyArn of the bucket's stack allows it"
  echo "$name: $script"
}

# One line of text from AWS, empty where it has nothing to say; an answer that never came ends the program.
ask() {
  local said
  said=$(aws "$@" --output text) || fail "aws ${1} ${2} failed" "what it said is above"
  [ "$said" = None ] || echo "$said"
}
