#!/usr/bin/env bash
# Compiles one batch of a lake, runs it as a step of an EMR cluster, and waits for the result.
#
#   submit-step.sh --job ingest|summary|features --lake s3://bucket/prefix --cluster j-XXXXXXXXXXXXX
#
# Ends with 0 when the step is done or there was nothing to do, with 1 when something failed, with 2 when it was called
# wrongly, and with 3 when another batch waits or runs on the cluster. ENTREGA names the program (default: entrega).
set -euo pipefail

ENTREGA=${ENTREGA:-entrega}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/emr/batch.sh
source "$here/batch.sh"

usage() {
  sed -n '2,7s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
}

job="" lake=${ENTREGA_LAKE:-} cluster=""
while [ $# -gt 0 ]; do
  case $1 in
    --help) usage && exit 0 ;;
    --job | --lake | --cluster)
      [ $# -ge 2 ] || fail "$1 wants a value" "see --help" 2
      printf -v "${1#--}" '%s' "$2"
      shift 2
      ;;
    *) fail "'$1' is not understood" "see --help" 2 ;;
  esac
done
check_batch "$job" "$lake"
[[ $cluster =~ ^j-[A-Z0-9]+$ ]] || fail "'$cluster' is no cluster" "give --cluster, output ClusterId of its stack" 2

state=$(ask emr describe-cluster --cluster-id "$cluster" --query Cluster.Status.State)
case $state in
  STARTING | BOOTSTRAPPING | RUNNING | WAITING) ;;
  *) fail "cluster $cluster is $state" "make one: docs/guides/emr.md" ;;
esac

# A batch says what to do from what is published now. One that is compiled while another runs knows nothing of it.
others=$(ask emr list-steps --cluster-id "$cluster" --step-states PENDING RUNNING \
  --query "Steps[?starts_with(Name, 'entrega ')].[Id, Name]")
[ -z "$others" ] || fail "another batch waits or runs on $cluster: $others" "wait for it and call again" 3

bring_batch "$job" "$lake"

steps=$(printf '[{"Type": "CUSTOM_JAR", "Name": "%s", "ActionOnFailure": "CONTINUE", "Jar": "command-runner.jar",
  "Args": ["spark-sql", "-f", "%s"]}]' "$name" "$script")
step=$(ask emr add-steps --cluster-id "$cluster" --steps "$steps" --query 'StepIds[0]')
trap 'echo "step $step goes on; end it: aws emr cancel-steps --cluster-id $cluster --step-ids $step" >&2; exit 130' INT

last=""
while true; do
  state=$(ask emr describe-step --cluster-id "$cluster" --step-id "$step" --query Step.Status.State)
  [ "$state" = "$last" ] || echo "$(date -u +%H:%M:%S) step $step: $state"
  last=$state
  case $state in
    COMPLETED) exit 0 ;;
    PENDING | RUNNING | CANCEL_PENDING) sleep "$POLL_SECONDS" ;;
    *) break ;;
  esac
done

why=$(ask emr describe-step --cluster-id "$cluster" --step-id "$step" \
  --query 'Step.Status.[FailureDetails.Reason, FailureDetails.Message, StateChangeReason.Message] | [?@]')
fail "step $step is $state: ${why:-EMR gives no reason}" \
  "its log, some minutes later: aws s3 cp s3://$bucket/_emr/logs/$cluster/steps/$step/stderr.gz - | gunzip"
