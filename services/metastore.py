"""The Hive Metastore of Spark's own jars, over an embedded Derby database."""

from __future__ import annotations

from hadoop import FIRST_COMPILER, JAVA_OPTIONS, hadoop_settings, hive_settings, write_site
from installation import HERE, java
from server import Place, Server, answers


def configure_metastore(place: Place) -> tuple[list[str], dict[str, str]]:
    """Its settings, and LoopbackMetastore.java as its main program."""
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
    options = ["-Xmx512m", FIRST_COMPILER, *JAVA_OPTIONS, f"-Djava.io.tmpdir={place.folder('tmp')}"]
    options += [f"-Dderby.stream.error.file={place.state.folder / 'log/derby.log'}"]
    program = ["org.codehaus.janino.SimpleCompiler", str(HERE / "LoopbackMetastore.java"), "LoopbackMetastore"]
    command = [str(java()), *options, "-cp", class_path, *program, str(place.port("metastore"))]
    return command, {}


METASTORE = Server(
    name="metastore",
    what="Hive Metastore",
    needs=["s3"],
    ports=["metastore"],
    needs_java=True,
    configure=configure_metastore,
    is_ready=answers("metastore"),
    start_seconds=180,
    end_seconds=10,
)
