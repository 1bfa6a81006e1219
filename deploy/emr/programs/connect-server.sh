#!/usr/bin/env bash
# A step: starts a Spark Connect server on the primary node, and leaves a watch behind that ends it when nobody was
# connected for a while. Without the watch the server, an application of YARN, would keep the cluster from ever being
# idle, and so from ending by itself.
#
#   connect-server.sh IDLE_MINUTES [--watch]
#
# It listens on the loopback address only, because Spark Connect asks nobody who they are: reach it by SSM's port
# forwarding (docs/guides/emr.md).
set -euo pipefail

idle_minutes=${1:?how many minutes without a connection end the server}
spark_home=${SPARK_HOME:-/usr/lib/spark}
port=${ENTREGA_CONNECT_PORT:-15002}
folder=${ENTREGA_CONNECT_FOLDER:-$HOME/entrega-connect}
minute=${ENTREGA_CONNECT_MINUTE:-60}
seconds=180

fail() {
  echo "error: $1" >&2
  echo "hint: $2" >&2
  exit 1
}

listens() {
  (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null
}

connections() {
  ss --no-header --tcp --numeric state established "( sport = :$port )" | wc -l
}

watch() {
  local idle=0
  while listens; do
    sleep "$minute"
    if [ "$(connections)" -eq 0 ]; then idle=$((idle + 1)); else idle=0; fi
    if [ "$idle" -ge "$idle_minutes" ]; then
      echo "nobody was connected for $idle_minutes minutes"
      "$spark_home/sbin/stop-connect-server.sh"
      return
    fi
  done
}

# In a session of its own, so that it outlives the step.
if [ "${2:-}" = --watch ]; then
  watch
  exit 0
fi

if listens; then
  echo "something listens on port $port already; left alone"
  exit 0
fi
[ -x "$spark_home/sbin/start-connect-server.sh" ] ||
  fail "$spark_home/sbin/start-connect-server.sh is not there" "Spark Connect comes with releases named emr-spark-8"
command -v ss >/dev/null || fail "ss is not there" "it tells whether anyone is connected; install iproute"

mkdir -p "$folder"
export SPARK_LOG_DIR=$folder SPARK_PID_DIR=$folder
"$spark_home/sbin/start-connect-server.sh" \
  --conf spark.connect.grpc.binding.address=127.0.0.1 \
  --conf "spark.connect.grpc.binding.port=$port"

for ((waited = 0; waited < seconds; waited++)); do
  if listens; then
    setsid --fork bash "${BASH_SOURCE[0]}" "$idle_minutes" --watch >"$folder/watch.log" 2>&1 </dev/null
    echo "Spark Connect listens on 127.0.0.1:$port and ends after $idle_minutes minutes without a connection"
    exit 0
  fi
  sleep 1
done
tail -n 40 "$folder"/*.out >&2 || true
fail "Spark Connect did not answer within $seconds seconds" "its log is above"
