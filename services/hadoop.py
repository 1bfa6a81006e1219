"""Configuration that the Java servers share: how they reach the bucket, the metastore and their own scratch folders."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

from s3 import REGION, endpoint
from server import Place
from state import LOOPBACK, write_private

JAVA_OPTIONS = ["-XX:+UseSerialGC", "-XX:-UsePerfData"]

# For a server that does little: what it compiles is used once, and the second compiler never earns its keep. Not for
# Spark, where planning a batch's two hundred statements takes twice as long without.
FIRST_COMPILER = "-XX:TieredStopAtLevel=1"


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
