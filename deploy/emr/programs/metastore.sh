#!/usr/bin/env bash
# A step: starts a Hive Metastore on the primary node, from Spark's own jars over an embedded Derby database, as
# services/metastore.py does. EMR's releases of Spark 4 have no Hive that would bring one.
#
# It goes with the cluster. Nothing is lost with it: the tables lie in the lake, here are only their names.
set -euo pipefail

spark_home=${SPARK_HOME:-/usr/lib/spark}
folder=${ENTREGA_METASTORE_FOLDER:-$HOME/entrega-metastore}
port=${ENTREGA_METASTORE_PORT:-9083}
seconds=120

fail() {
  echo "error: $1" >&2
  echo "hint: $2" >&2
  exit 1
}

listens() {
  (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null
}

if listens; then
  echo "something listens on port $port already; left alone"
  exit 0
fi
compgen -G "$spark_home/jars/hive-metastore-*.jar" >/dev/null ||
  fail "$spark_home/jars has no hive-metastore" "make the cluster with Metastore=Glue"

mkdir -p "$folder/conf"
chmod 700 "$folder"
cat >"$folder/conf/hive-site.xml" <<XML
<?xml version="1.0"?>
<configuration>
  <property><name>datanucleus.connectionPoolingType</name><value>dbcp</value></property>
  <property><name>datanucleus.schema.autoCreateAll</name><value>true</value></property>
  <property><name>hive.async.log.enabled</name><value>false</value></property>
  <property><name>hive.metastore.schema.verification</name><value>false</value></property>
  <property><name>hive.metastore.warehouse.dir</name><value>file:$folder/warehouse</value></property>
  <property>
    <name>javax.jdo.option.ConnectionDriverName</name><value>org.apache.derby.jdbc.EmbeddedDriver</value>
  </property>
  <property>
    <name>javax.jdo.option.ConnectionURL</name><value>jdbc:derby:;databaseName=$folder/database;create=true</value>
  </property>
</configuration>
XML

# Hadoop's configuration comes second, so that locations on S3 are understood and hive-site.xml above wins.
class_path="$folder/conf:${HADOOP_CONF_DIR:-/etc/hadoop/conf}:$spark_home/jars/*"
class_path+=":/usr/lib/hadoop/*:/usr/lib/hadoop/lib/*:/usr/share/aws/aws-java-sdk-v2/*"
cd "$folder"
setsid java -Xmx512m -Dderby.stream.error.file="$folder/derby.log" -cp "$class_path" \
  org.apache.hadoop.hive.metastore.HiveMetaStore -p "$port" >"$folder/metastore.log" 2>&1 </dev/null &
process=$!

for ((waited = 0; waited < seconds; waited++)); do
  if listens; then
    echo "the metastore listens on port $port"
    exit 0
  fi
  if ! kill -0 "$process" 2>/dev/null; then
    tail -n 25 "$folder/metastore.log" >&2
    fail "the metastore ended while it was starting" "its log is above; Metastore=Glue needs none of it"
  fi
  sleep 1
done
tail -n 25 "$folder/metastore.log" >&2
fail "the metastore did not answer within $seconds seconds" "its log is above; Metastore=Glue needs none of it"
