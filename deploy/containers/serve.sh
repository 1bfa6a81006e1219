#!/usr/bin/env bash
# Runs one server of the image, in the foreground, and becomes it:
#
#   serve s3 | metastore | spark-connect | thrift
#   serve bucket NAME       makes a bucket and ends
#
# Settings: conf/ and conf-metastore/ beside it, which name these variables: S3_ENDPOINT, METASTORE_URI, DATA, and
# AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, which the S3 server asks for and the others show.
set -euo pipefail
umask 077

export DATA=${DATA:-/data}
export S3_ENDPOINT=${S3_ENDPOINT:-http://s3:8333}
export METASTORE_URI=${METASTORE_URI:-thrift://metastore:9083}
export AWS_REGION=${AWS_REGION:-us-east-1}
home=${ENTREGA_HOME:-/opt/entrega}
listen=${LISTEN:-0.0.0.0}
memory=${MEMORY:-2g}

fail() {
  echo "error: $1" >&2
  echo "hint: $2" >&2
  exit 1
}

keys() {
  [ -n "${AWS_ACCESS_KEY_ID:-}" ] && [ -n "${AWS_SECRET_ACCESS_KEY:-}" ] ||
    fail "AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY is not set" "fill deploy/containers/.env, see .env.example"
  [[ $AWS_ACCESS_KEY_ID$AWS_SECRET_ACCESS_KEY =~ ^[A-Za-z0-9/+=]+$ ]] ||
    fail "a key has an odd character" "letters, digits, / + and = will do"
}

# SeaweedFS in one process. Only the S3 gateway, which asks for a key, is reached from other containers.
s3() {
  keys
  mkdir -p "$DATA/s3"
  cat >"$DATA/identities.json" <<JSON
{"identities": [{"name": "entrega", "actions": ["Admin"],
  "credentials": [{"accessKey": "$AWS_ACCESS_KEY_ID", "secretKey": "$AWS_SECRET_ACCESS_KEY"}]}]}
JSON
  # As in services/s3.py: a single master need not wait for others; each bucket takes seven volumes.
  exec weed -logtostderr server -dir="$DATA/s3" -ip=127.0.0.1 -ip.bind=127.0.0.1 -master.peers=none \
    -master.volumeSizeLimitMB=1024 -volume.max=100 -volume.preStopSeconds=0 -filer \
    -s3 -s3.ip.bind="$listen" -s3.port="${S3_PORT:-8333}" -s3.port.iceberg=0 -s3.port.lance=0 \
    -s3.config="$DATA/identities.json"
}

bucket() {
  keys
  local said
  if said=$(aws --endpoint-url "$S3_ENDPOINT" s3api create-bucket --bucket "$1" 2>&1); then
    echo "bucket $1 made"
  elif [[ $said == *BucketAlreadyOwnedByYou* ]]; then
    echo "bucket $1 is there"
  else
    fail "bucket $1 could not be made: $said" "does the S3 server run, with these keys?"
  fi
}

# The Hive Metastore of Spark's jars over Derby: one server needs no database beside it.
metastore() {
  keys
  mkdir -p "$DATA/scratch"
  exec java -Xmx512m -XX:+UseSerialGC -Djava.io.tmpdir="$DATA/scratch" -Dderby.stream.error.file="$DATA/derby.log" \
    -cp "$home/conf-metastore:$HADOOP_CONF_DIR:$SPARK_HOME/jars/*:$home/jars/*" \
    org.apache.hadoop.hive.metastore.HiveMetaStore -p "${METASTORE_PORT:-9083}"
}

# Both Sparks: settings from conf/spark-defaults.conf.
spark() {
  local name=$1 class=$2
  shift 2
  keys
  mkdir -p "$DATA/scratch"
  exec "$SPARK_HOME/bin/spark-submit" --name "$name" --class "$class" \
    --driver-memory "$memory" --driver-class-path "$home/jars/*" --conf "spark.local.dir=$DATA/scratch" \
    --driver-java-options "-Djava.io.tmpdir=$DATA/scratch -XX:+UseSerialGC" "$@" spark-internal
}

case ${1:-} in
  s3 | metastore) "$1" ;;
  bucket) bucket "${2:?the name of the bucket}" ;;
  spark-connect)
    spark entrega-spark org.apache.spark.sql.connect.service.SparkConnectServer \
      --conf "spark.connect.grpc.binding.address=$listen" \
      --conf "spark.connect.grpc.binding.port=${CONNECT_PORT:-15002}"
    ;;
  thrift)
    # The Thrift server takes where it listens from the environment before anything else.
    export HIVE_SERVER2_THRIFT_BIND_HOST=$listen HIVE_SERVER2_THRIFT_PORT=${THRIFT_PORT:-10000}
    spark entrega-thrift org.apache.spark.sql.hive.thriftserver.HiveThriftServer2
    ;;
  *) fail "'${1:-}' is no server" "there are s3, metastore, spark-connect, thrift, and bucket NAME" ;;
esac
