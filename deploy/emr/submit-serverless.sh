#!/usr/bin/env bash
# Compiles one batch of a lake, runs it on an EMR Serverless application, and waits for the result.
#
#   submit-serverless.sh --job ingest|summary|features --lake s3://bucket/prefix --application ID --role ARN
#
# Ends with 0 when the job is done or there was nothing to do, with 1 when something failed, with 2 when it was called
# wrongly, and with 3 when another batch waits or runs. ENTREGA names the program (default: entrega); SPARK_PARAMETERS
# are given to spark-submit as they are; JOB_MINUTES (default: 60) end a job that hangs.
set -euo pipefail

ENTREGA=${ENTREGA:-entrega}
SPARK_PARAMETERS=${SPARK_PARAMETERS:-}
JOB_MINUTES=${JOB_MINUTES:-60}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/emr/batch.sh
source "$here/batch.sh"

usage() {
  sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
}

job="" lake=${ENTREGA_LAKE:-} application="" role=""
while [ $# -gt 0 ]; do
  case $1 in
    --help) usage && exit 0 ;;
    --job | --lake | --application | --role)
      [ $# -ge 2 ] || fail "$1 wants a value" "see --help" 2
      printf -v "${1#--}" '%s' "$2"
      shift 2
      ;;
    *) fail "'$1' is not understood" "see --help" 2 ;;
  esac
done
check_batch "$job" "$lake"
[[ $application =~ ^[0-9a-z]+$ ]] ||
  fail "'$application' is no application" "give --application, output ApplicationId of its stack" 2
[[ $role =~ ^arn:[a-z-]+:iam::[0-9]{12}:role/.+$ ]] ||
  fail "'$role' is no role" "give --role, output JobRoleArn of the stack" 2
[[ $SPARK_PARAMETERS != *[\"\\]* ]] || fail "SPARK_PARAMETERS has a quote or a backslash" "leave them out" 2

# A batch says what to do from what is published now. One that is compiled while another runs knows nothing of it.
others=$(ask emr-serverless list-job-runs --application-id "$application" \
  --states SUBMITTED PENDING SCHEDULED RUNNING QUEUED --query "jobRuns[?starts_with(name, 'entrega ')].[id, name]")
[ -z "$others" ] || fail "another batch waits or runs on $application: $others" "wait for it and call again" 3

bring_batch "$job" "$lake"

driver=$(printf '{"sparkSubmit": {"entryPoint": "%s", "entryPointArguments": ["%s"], "sparkSubmitParameters": "%s"}}' \
  "s3://$bucket/_emr/programs/run_sql.py" "$script" "$SPARK_PARAMETERS")
# Without parameters the field must not be there: EMR Serverless refuses an empty one.
[ -n "$SPARK_PARAMETERS" ] || driver=${driver/, \"sparkSubmitParameters\": \"\"/}
run=$(ask emr-serverless start-job-run --application-id "$application" --execution-role-arn "$role" --name "$name" \
  --execution-timeout-minutes "$JOB_MINUTES" --job-driver "$driver" --query jobRunId)
cancel="aws emr-serverless cancel-job-run --application-id $application --job-run-id $run"
trap 'echo "job run $run goes on; end it: $cancel" >&2; exit 130' INT

last=""
while true; do
  state=$(ask emr-serverless get-job-run --application-id "$application" --job-run-id "$run" --query jobRun.state)
  [ "$state" = "$last" ] || echo "$(date -u +%H:%M:%S) job run $run: $state"
  last=$state
  case $state in
    SUCCESS) exit 0 ;;
    SUBMITTED | PENDING | SCHEDULED | RUNNING | QUEUED | CANCELLING) sleep "$POLL_SECONDS" ;;
    *) break ;;
  esac
done

why=$(ask emr-serverless get-job-run --application-id "$application" --job-run-id "$run" --query jobRun.stateDetails)
logs="s3://$bucket/_emr/logs/applications/$application/jobs/$run/SPARK_DRIVER"
fail "job run $run is $state: ${why:-EMR gives no reason}" \
  "what the job said, some minutes later: aws s3 cp $logs/stdout.gz - | gunzip (and stderr.gz)"
