"""The servers, in the order in which they start: how each is configured, started, and known to be ready.

    s3 (SeaweedFS)  ◀── metastore (Hive, Derby)  ◀── spark (Spark Connect)
          ▲                       ▲─────────────── thrift (HiveServer2 protocol, for JDBC)
          └── both Sparks read and write the bucket by S3A

Everything listens on the loopback address only. Secrets go into configuration files of mode 0600, never into a command
line, which every user of the machine can read.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

from installation import HERE, Installation, java
from state import LOOPBACK, State, Trouble, write_private

BUCKET = "entrega-test"
REGION = "us-east-1"
# SeaweedFS needs one for each of its parts, and one more for each part's gRPC.
S3_PORTS = [f"s3-{part}" for part in ("master", "volume", "filer", "gateway")]
S3_PORTS += [f"{port}-grpc" for port in S3_PORTS]
# Spark's first seconds go into compiling what is used once: the second compiler never earns its keep in tests.
JAVA_OPTIONS = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"]


@dataclass(frozen=True)
class Place:
    """Where things are: the state folder and the installation."""

    state: State
    installed: Installation

    def folder(self, service: str) -> Path:
        """The folder of a service."""
        return self.state.folder / service

    def port(self, name: str) -> int:
        """A chosen port."""
        return self.state.port(name)


@dataclass(frozen=True)
class Server:
    """One server. `configure` writes its files and gives its command and its own environment variables."""

    name: str
    what: str
    needs: list[str]
    ports: list[str]
    needs_java: bool
    configure: Callable[[Place], tuple[list[str], dict[str, str]]]
    is_ready: Callable[[Place], bool]
    start_seconds: float
    # How long it may take to end by itself, before it is killed.
    end_seconds: float
    after_start: Callable[[Place], None] = field(default=lambda place: None)
    after_end: Callable[[Place], None] = field(default=lambda place: None)


# --- S3: SeaweedFS ------------------------------------------------------------------------------------------------------


def configure_s3(place: Place) -> tuple[list[str], dict[str, str]]:
    """Master, volume server, filer and S3 gateway in one process, with one identity."""
    folder = place.folder("s3")
    (folder / "data").mkdir(parents=True, exist_ok=True)
    keys = place.state.credentials()
    credentials = [{"accessKey": keys["access_key"], "secretKey": keys["secret_key"]}]
    identities = {"identities": [{"name": "entrega", "credentials": credentials, "actions": ["Admin"]}]}
    write_private(folder / "identities.json", json.dumps(identities, indent=2) + "\n")
    master, volume, filer, gateway = (place.port(name) for name in S3_PORTS[:4])
    options = {
        "dir": folder / "data",
        "ip": LOOPBACK,
        "ip.bind": LOOPBACK,
        "master.port": master,
        "master.port.grpc": place.port("s3-master-grpc"),
        # A single master need not wait for others to elect it.
        "master.peers": "none",
        # Each bucket takes seven volumes, and the default is eight in all. Nothing is allocated ahead.
        "master.volumeSizeLimitMB": 1024,
        "volume.max": 100,
        "volume.port": volume,
        "volume.port.grpc": place.port("s3-volume-grpc"),
        "volume.preStopSeconds": 0,
        "filer": "true",
        "filer.port": filer,
        "filer.port.grpc": place.port("s3-filer-grpc"),
        "s3": "true",
        "s3.port": gateway,
        "s3.port.grpc": place.port("s3-gateway-grpc"),
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.config": folder / "identities.json",
    }
    write_private(folder / "options", "".join(f"{name}={value}\n" for name, value in options.items()))
    weed = str(place.installed.program("weed"))
    return [weed, "-logtostderr", "server", f"-options={folder / 'options'}"], {}


def s3_is_ready(place: Place) -> bool:
    """Whether the gateway says that it is healthy."""
    try:
        with urllib.request.urlopen(f"{endpoint(place)}/healthz", timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def make_bucket(place: Place) -> None:
    """Makes the bucket, with the real AWS CLI: so the credentials are proven as well."""
    command = [str(place.installed.program("aws")), "s3api", "create-bucket", "--bucket", BUCKET]
    environment = clean_environment() | s3_environment(place)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    if done.returncode != 0 and "BucketAlreadyOwnedByYou" not in done.stderr:
        raise Trouble(
            f"s3 runs, but the bucket {BUCKET} could not be made: {done.stderr.strip()}\n"
            f"hint: {place.state.log('s3')} has the server's side of it"
        )


def remove_sockets(place: Place) -> None:
    """Removes the Unix sockets that SeaweedFS leaves in /tmp, whatever TMPDIR says; their names end in its ports."""
    for port in (place.port(name) for name in S3_PORTS):
        for socket_path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
            socket_path.unlink(missing_ok=True)


def endpoint(place: Place) -> str:
    """The address of the S3 server."""
    return f"http://{LOOPBACK}:{place.port('s3-gateway')}"


def s3_environment(place: Place) -> dict[str, str]:
    """What the AWS CLI, boto and Rust's object_store read from the environment."""
    keys = place.state.credentials()
    return {
        "AWS_ENDPOINT_URL": endpoint(place),
        "AWS_ACCESS_KEY_ID": keys["access_key"],
        "AWS_SECRET_ACCESS_KEY": keys["secret_key"],
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ALLOW_HTTP": "true",
    }


# --- Configuration that the Java servers share --------------------------------------------------------------------------


def hadoop_settings(place: Place) -> dict[str, object]:
    """S3A: how Hadoop's file systems reach the bucket. `s3://` means the same as `s3a://`."""
    keys = place.state.credentials()
    return {
        "fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "fs.s3a.access.key": keys["access_key"],
        "fs.s3a.aws.credentials.provider": "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider",
        "fs.s3a.change.detection.mode": "warn",
        "fs.s3a.connection.ssl.enabled": "false",
        "fs.s3a.endpoint": endpoint(place),
        "fs.s3a.endpoint.region": REGION,
        "fs.s3a.path.style.access": "true",
        "fs.s3a.secret.key": keys["secret_key"],
        "hadoop.tmp.dir": place.folder("tmp"),
    }


def hive_settings(place: Place, service: str) -> dict[str, object]:
    """Where a service finds the metastore and keeps what it would else leave in /tmp/hive."""
    scratch = place.folder(service) / "scratch"
    return {
        "hive.downloaded.resources.dir": scratch / "resources",
        "hive.exec.local.scratchdir": scratch / "local",
        "hive.exec.scratchdir": scratch,
        "hive.metastore.uris": metastore_uri(place),
        "hive.metastore.warehouse.dir": warehouse(place),
        "hive.querylog.location": scratch / "querylog",
        "hive.server2.logging.operation.log.location": scratch / "operations",
    }


def write_site(path: Path, settings: dict[str, object]) -> None:
    """Writes settings as Hadoop wants them."""
    rows = "".join(
        f"  <property><name>{name}</name><value>{escape(str(value))}</value></property>\n"
        for name, value in settings.items()
    )
    write_private(path, f'<?xml version="1.0"?>\n<configuration>\n{rows}</configuration>\n')


def warehouse(place: Place) -> str:
    """Where tables without a location of their own lie."""
    return f"file:{place.folder('warehouse')}"


def metastore_uri(place: Place) -> str:
    """Where clients find the metastore."""
    return f"thrift://{LOOPBACK}:{place.port('metastore')}"


def answers(port: str) -> Callable[[Place], bool]:
    """A check whether something accepts connections on a port."""

    def check(place: Place) -> bool:
        with socket.socket() as connection:
            connection.settimeout(2)
            return connection.connect_ex((LOOPBACK, place.port(port))) == 0

    return check


def clean_environment() -> dict[str, str]:
    """The caller's environment without what would bend the servers: other credentials, other Sparks, Java options."""
    bending = ("AWS_", "SPARK_", "PYSPARK_", "HADOOP_", "HIVE_", "YARN_", "PYTHON", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS")
    return {name: value for name, value in os.environ.items() if not name.startswith(bending)}


# --- The metastore ------------------------------------------------------------------------------------------------------


def configure_metastore(place: Place) -> tuple[list[str], dict[str, str]]:
    """The Hive Metastore of Spark's own jars, over an embedded Derby database."""
    folder = place.folder("metastore")
    settings = hive_settings(place, "metastore") | {
        "datanucleus.connectionPoolingType": "dbcp",
        "datanucleus.schema.autoCreateAll": "true",
        "hive.async.log.enabled": "false",
        "hive.metastore.schema.verification": "false",
        "javax.jdo.option.ConnectionDriverName": "org.apache.derby.jdbc.EmbeddedDriver",
        "javax.jdo.option.ConnectionURL": f"jdbc:derby:;databaseName={folder / 'database'};create=true",
    }
    # It keeps the tables itself, and must not look for another metastore.
    del settings["hive.metastore.uris"]
    write_site(folder / "conf/hive-site.xml", settings)
    write_site(folder / "conf/core-site.xml", hadoop_settings(place))
    spark_jars = place.installed.spark_home / "jars"
    class_path = f"{folder / 'conf'}:{spark_jars}/*:{place.installed.jars}/*"
    options = ["-Xmx512m", *JAVA_OPTIONS, f"-Djava.io.tmpdir={place.folder('tmp')}"]
    options += [f"-Dderby.stream.error.file={place.state.folder / 'log/derby.log'}"]
    program = ["org.codehaus.janino.SimpleCompiler", str(HERE / "LoopbackMetastore.java"), "LoopbackMetastore"]
    command = [str(java()), *options, "-cp", class_path, *program, str(place.port("metastore"))]
    return command, {}


# --- Spark --------------------------------------------------------------------------------------------------------------


def spark_settings(place: Place, service: str, memory: str) -> dict[str, object]:
    """What both Sparks have in common: two cores, Delta, the metastore, UTC, and TIMESTAMP meaning the zone-less type."""
    return {
        "spark.databricks.delta.snapshotPartitions": 2,
        "spark.driver.bindAddress": LOOPBACK,
        "spark.driver.extraClassPath": f"{place.installed.jars}/*",
        "spark.driver.extraJavaOptions": " ".join([*JAVA_OPTIONS, f"-Djava.io.tmpdir={place.folder('tmp')}"]),
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
    settings = spark_settings(place, service, memory) | spark
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
    return configure_spark_class(place, "spark", "2g", main, {}, settings)


def configure_thrift(place: Place) -> tuple[list[str], dict[str, str]]:
    """The Thrift server, for JDBC."""
    settings = {
        "hive.server2.enable.doAs": "false",
        "hive.server2.thrift.bind.host": LOOPBACK,
        "hive.server2.thrift.port": place.port("thrift"),
    }
    main = "org.apache.spark.sql.hive.thriftserver.HiveThriftServer2"
    return configure_spark_class(place, "thrift", "1g", main, settings, {})


SERVERS = [
    Server(
        name="s3",
        what="SeaweedFS, an S3 server",
        needs=[],
        ports=S3_PORTS,
        needs_java=False,
        configure=configure_s3,
        is_ready=s3_is_ready,
        start_seconds=60,
        # On SIGTERM it saves its volumes and then waits without end for its own gateway (seen in 4.48).
        end_seconds=3,
        after_start=make_bucket,
        after_end=remove_sockets,
    ),
    Server(
        name="metastore",
        what="Hive Metastore",
        needs=["s3"],
        ports=["metastore"],
        needs_java=True,
        configure=configure_metastore,
        is_ready=answers("metastore"),
        start_seconds=180,
        end_seconds=10,
    ),
    Server(
        name="spark",
        what="Spark Connect",
        needs=["s3", "metastore"],
        ports=["spark"],
        needs_java=True,
        configure=configure_spark,
        is_ready=answers("spark"),
        start_seconds=180,
        end_seconds=20,
    ),
    Server(
        name="thrift",
        what="Spark's Thrift server, for JDBC",
        needs=["s3", "metastore"],
        ports=["thrift"],
        needs_java=True,
        configure=configure_thrift,
        is_ready=answers("thrift"),
        start_seconds=180,
        end_seconds=20,
    ),
]
