"""Two Sparks over the same tables: Spark Connect, and the Thrift server for JDBC."""

from __future__ import annotations

import os

from hadoop import JAVA_OPTIONS, hadoop_settings, hive_settings, warehouse, write_site
from server import Place, Server, answers
from state import LOOPBACK, write_private


# What the Connect server may use; the tests' data fit into two gibibytes, a million orders do not.
MEMORY = os.environ.get("ENTREGA_SPARK_MEMORY", "2g")


def spark_settings(place: Place, memory: str) -> dict[str, object]:
    """What both Sparks have in common: two cores, Delta, the metastore, UTC, TIMESTAMP meaning the zone-less type."""
    return {
        "spark.databricks.delta.snapshotPartitions": 2,
        "spark.driver.bindAddress": LOOPBACK,
        "spark.driver.extraClassPath": f"{place.installed.jars}/*",
        "spark.driver.extraJavaOptions": " ".join([*JAVA_OPTIONS, f'"-Djava.io.tmpdir={place.folder("tmp")}"']),
        "spark.driver.host": LOOPBACK,
        "spark.driver.memory": memory,
        "spark.local.dir": place.folder("tmp"),
        "spark.master": "local[2]",
        "spark.sql.adaptive.enabled": "true",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.catalogImplementation": "hive",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": 4,
        "spark.sql.timestampType": "TIMESTAMP_NTZ",
        "spark.sql.warehouse.dir": warehouse(place),
        "spark.ui.enabled": "false",
    }


def configure_spark_class(
    place: Place, service: str, memory: str, main: str, hive: dict[str, object], spark: dict[str, object]
) -> tuple[list[str], dict[str, str]]:
    """Writes the configuration of a Spark server and gives its command."""
    conf = place.folder(service) / "conf"
    write_site(conf / "core-site.xml", hadoop_settings(place))
    write_site(conf / "hive-site.xml", hive_settings(place, service) | hive)
    settings = spark_settings(place, memory) | spark
    write_private(conf / "spark-defaults.conf", "".join(f"{name} {value}\n" for name, value in settings.items()))
    submit = str(place.installed.spark_home / "bin/spark-submit")
    environment = {
        "HADOOP_CONF_DIR": str(conf),
        "PYSPARK_PYTHON": str(place.installed.program("python")),
        "SPARK_CONF_DIR": str(conf),
        "SPARK_HOME": str(place.installed.spark_home),
        "SPARK_LOCAL_IP": LOOPBACK,
    }
    return [submit, "--name", f"entrega-{service}", "--class", main, "spark-internal"], environment


def configure_spark(place: Place) -> tuple[list[str], dict[str, str]]:
    """The Spark Connect server."""
    settings = {
        "spark.connect.grpc.binding.address": LOOPBACK,
        "spark.connect.grpc.binding.port": place.port("spark"),
    }
    main = "org.apache.spark.sql.connect.service.SparkConnectServer"
    return configure_spark_class(place, "spark", MEMORY, main, {}, settings)


def configure_thrift(place: Place) -> tuple[list[str], dict[str, str]]:
    """The Thrift server, for JDBC."""
    settings = {
        "hive.server2.enable.doAs": "false",
        "hive.server2.thrift.bind.host": LOOPBACK,
        "hive.server2.thrift.port": place.port("thrift"),
    }
    main = "org.apache.spark.sql.hive.thriftserver.HiveThriftServer2"
    return configure_spark_class(place, "thrift", "1g", main, settings, {})


SPARK = Server(
    name="spark",
    what="Spark Connect",
    needs=["s3", "metastore"],
    ports=["spark"],
    needs_java=True,
    configure=configure_spark,
    is_ready=answers("spark"),
    start_seconds=180,
    end_seconds=20,
)

THRIFT = Server(
    name="thrift",
    what="Spark's Thrift server, for JDBC",
    needs=["s3", "metastore"],
    ports=["thrift"],
    needs_java=True,
    configure=configure_thrift,
    is_ready=answers("thrift"),
    start_seconds=180,
    end_seconds=20,
)
