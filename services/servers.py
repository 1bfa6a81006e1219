"""The servers, in the order in which they start; they end in the opposite order.

s3 (SeaweedFS)  ◀── metastore (Hive, Derby)  ◀── spark (Spark Connect)
      ▲                       ▲─────────────── thrift (HiveServer2 protocol, for JDBC)
      └── both Sparks read and write the bucket by S3A
"""

from __future__ import annotations

from metastore import METASTORE
from s3 import S3
from server import Server
from spark import SPARK, THRIFT

SERVERS: list[Server] = [S3, METASTORE, SPARK, THRIFT]
