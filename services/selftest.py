"""The servers work together as the tests of Entrega need them, and nothing of them stays behind.

    VENV/bin/python -m pytest -q services/selftest.py          (make test-services)

Starts all of them in a state folder of its own, beside any that run already, as a person would: by services.py. The
tests run in the order of this file; the last one stops everything.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import processes
import pytest
from pyspark.sql import SparkSession
from servers import SERVERS
from state import State, Trouble

HERE = Path(__file__).resolve().parent
ALL = [server.name for server in SERVERS]

if shutil.which("java") is None:
    pytest.skip("SKIPPED: the tests with real servers need Java 17 or newer", allow_module_level=True)


class Services:
    """services.py with a state folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        """One call, whatever comes of it."""
        command = [sys.executable, str(HERE / "services.py"), "--state", str(self.folder), *words]
        return subprocess.run(command, capture_output=True, text=True)

    def __call__(self, *words: str) -> str:
        """One call that must succeed; gives what it said."""
        done = self.call(*words)
        assert done.returncode == 0, f"services.py {' '.join(words)}:\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def processes(self) -> dict[str, dict]:
        """The processes that services.py remembers."""
        return State(self.folder).remembered()["processes"]

    def environment(self) -> dict[str, str]:
        """What `env` prints, as a shell would read it."""
        script = 'eval "$1" && env -0'
        done = subprocess.run(["sh", "-c", script, "sh", self("env")], capture_output=True, text=True, check=True)
        found = dict(line.split("=", 1) for line in done.stdout.split("\0") if "=" in line)
        return found | {"PATH": f"{found['ENTREGA_SERVICES_BIN']}:{found['PATH']}"}


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """All servers, started; stopped at the end, whatever happened."""
    services = Services(tmp_path_factory.mktemp("services") / "state")
    try:
        print(services("start"))
        yield services
    finally:
        services("stop")


def aws(services: Services, *words: str, **other: str) -> subprocess.CompletedProcess[str]:
    """The real AWS CLI."""
    environment = services.environment() | other
    return subprocess.run(["aws", *words], env=environment, capture_output=True, text=True, timeout=60)


def beeline(services: Services, sql: str) -> list[str]:
    """The rows that beeline prints, a line each, without the header."""
    environment = services.environment()
    command = ["beeline", "--silent=true", "--outputformat=csv2", "--showHeader=false"]
    command += ["-u", environment["ENTREGA_JDBC_URL"], "-e", sql]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    # Without a terminal, beeline's prompt lands in front of the first row.
    lines = (re.sub(r"^\d+: jdbc:\S+> ", "", line) for line in done.stdout.splitlines())
    return [line for line in lines if line.strip()]


@pytest.fixture
def new_session(services: Services) -> Iterator[Callable[[], SparkSession]]:
    """Makes sessions of Spark Connect that share nothing but the catalog."""
    remote = services.environment()["ENTREGA_SPARK_REMOTE"]
    made: list[SparkSession] = []

    def make() -> SparkSession:
        made.append(SparkSession.builder.remote(remote).create())
        return made[-1]

    yield make
    for session in made:
        session.stop()


@pytest.fixture
def spark(new_session: Callable[[], SparkSession]) -> SparkSession:
    """One session."""
    return new_session()


def rows(session: SparkSession, sql: str) -> list[tuple]:
    """The rows of a query."""
    return [tuple(row) for row in session.sql(sql).collect()]


def test_a_server_that_ends_while_starting_shows_the_end_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = processes.spawn(["sh", "-c", "echo port is taken; exit 3"], dict(os.environ), tmp_path, log)
    with pytest.raises(Trouble, match="x ended while it was starting;(.|\n)*port is taken(.|\n)*hint:"):
        processes.wait_until_ready("x", process, log, 10, lambda: False)


def test_a_stranger_with_the_same_process_id_is_left_alone(tmp_path: Path) -> None:
    child = processes.spawn(["sleep", "60"], dict(os.environ), tmp_path, tmp_path / "log")
    stranger = child | {"started": "Thu Jan  1 00:00:00 1970"}
    assert not processes.is_running(stranger)
    assert not processes.end(stranger, 1)
    assert processes.is_running(child)
    assert processes.end(child, 5)


def test_all_servers_run(services: Services) -> None:
    told = services("status")
    for name in ALL:
        assert f"{name} " in told, told


def test_starting_again_changes_nothing(services: Services) -> None:
    before = services.processes()
    services("start")
    assert services.processes() == before


def test_everything_listens_on_loopback_only(services: Services) -> None:
    tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
    if not tables[0].exists():
        pytest.skip("SKIPPED: listening addresses are read from /proc/net, which only Linux has")
    own = {pid for process in services.processes().values() for pid in processes.members(process)}
    inodes = {os.readlink(link) for pid in own for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    addresses = []
    for line in (line.split() for table in tables for line in table.read_text().splitlines()[1:]):
        if line[3] == "0A" and f"socket:[{line[9]}]" in inodes:
            addresses.append(line[1].split(":")[0])
    # 127.0.0.1, and the same as IPv6 writes it.
    assert len(addresses) >= len(ALL)
    assert set(addresses) <= {"0100007F", "0000000000000000FFFF00000100007F"}


def test_secrets_are_in_private_files_only(services: Services) -> None:
    secret = services.environment()["AWS_SECRET_ACCESS_KEY"]
    commands = subprocess.run(["ps", "-A", "-ww", "-o", "args="], capture_output=True, text=True, check=True).stdout
    assert secret not in commands
    for log in (services.folder / "log").iterdir():
        assert secret not in log.read_text(errors="replace"), log
    assert stat.S_IMODE(services.folder.stat().st_mode) == 0o700
    for path in [
        *services.folder.glob("*.json"),
        *services.folder.glob("*/conf/*"),
        services.folder / "s3/identities.json",
    ]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_the_aws_cli_puts_lists_and_gets(services: Services, tmp_path: Path) -> None:
    (tmp_path / "sent").write_text("parcel\n")
    assert aws(services, "s3", "cp", str(tmp_path / "sent"), "s3://entrega-test/cli/parcel").returncode == 0
    assert aws(services, "s3", "ls", "s3://entrega-test/cli/").stdout.endswith(" parcel\n")
    assert aws(services, "s3", "cp", "s3://entrega-test/cli/parcel", str(tmp_path / "got")).returncode == 0
    assert (tmp_path / "got").read_text() == "parcel\n"


def test_of_two_conditional_puts_the_second_fails(services: Services, tmp_path: Path) -> None:
    (tmp_path / "commit").write_text("mine\n")
    put = ["s3api", "put-object", "--bucket", "entrega-test", "--key", "cli/00000000000000000000.json"]
    put += ["--body", str(tmp_path / "commit"), "--if-none-match", "*", "--debug"]
    assert aws(services, *put).returncode == 0
    second = aws(services, *put)
    assert second.returncode != 0
    assert "(PreconditionFailed)" in second.stderr
    assert '" 412 ' in second.stderr


def test_a_wrong_secret_is_refused(services: Services) -> None:
    refused = aws(services, "s3", "ls", "s3://entrega-test/", AWS_SECRET_ACCESS_KEY="wrong")
    assert "SignatureDoesNotMatch" in refused.stderr


def test_spark_is_set_as_entrega_wants_it(spark: SparkSession) -> None:
    assert rows(spark, "select current_timezone(), typeof(timestamp '2018-01-01 00:00:00')") == [
        ("UTC", "timestamp_ntz")
    ]
    assert spark.conf.get("spark.sql.adaptive.enabled") == "true"
    assert spark.conf.get("spark.sql.shuffle.partitions") == "4"


@pytest.mark.parametrize("place", ["s3", "file"])
def test_a_delta_table_is_written_merged_and_found_by_name(
    services: Services, new_session: Callable[[], SparkSession], tmp_path: Path, place: str
) -> None:
    spark = new_session()
    location = "s3://entrega-test/delta/parcels" if place == "s3" else f"file:{tmp_path}/parcels"
    name = f"clean_{place}.parcels"
    first = "select id, timestamp '2018-02-28 23:59:59' as sent, cast(id as decimal(12,2)) as price from range(3)"
    spark.sql(first).write.format("delta").save(location)
    spark.sql(f"create database clean_{place}")
    spark.sql(f"create table {name} using delta location '{location}'")
    spark.sql(
        f"merge into {name} as old using (select id + 2 as id, timestamp '2018-03-01 00:00:00' as sent,"
        " cast(9.50 as decimal(12,2)) as price from range(2)) as new on old.id = new.id"
        " when matched then update set * when not matched then insert *"
    )
    other = new_session()
    # A row that is lost, doubled or not updated changes one of these.
    asked = f"select count(*), sum(id), cast(sum(price) as string), cast(max(sent) as string) from {name}"
    assert rows(other, asked) == [(4, 6, "20.00", "2018-03-01 00:00:00")]
    assert beeline(services, asked) == ["4,6,20.00,2018-03-01 00:00:00"]
    assert rows(other, f"select count(*) from delta.`{location}`") == [(4,)]


def test_an_external_csv_table_of_hive_reads_what_lies_in_the_bucket(
    services: Services, spark: SparkSession, tmp_path: Path
) -> None:
    (tmp_path / "sellers.csv").write_text('s1,"são paulo, sp"\ns2,curitiba\n')
    assert (
        aws(services, "s3", "cp", str(tmp_path / "sellers.csv"), "s3://entrega-test/csv/sellers/sellers.csv").returncode
        == 0
    )
    spark.sql(
        "create external table sellers (seller_id string, city string)"
        " row format serde 'org.apache.hadoop.hive.serde2.OpenCSVSerde' location 's3a://entrega-test/csv/sellers'"
    )
    assert rows(spark, "select * from sellers order by 1") == [("s1", "são paulo, sp"), ("s2", "curitiba")]
    assert beeline(services, "select * from sellers where seller_id = 's2'") == ["s2,curitiba"]


def test_an_orc_table_of_hive_overwrites_one_partition(services: Services, spark: SparkSession) -> None:
    spark.sql(
        "create external table monthly (orders bigint) partitioned by (month string) stored as orc"
        " location 's3a://entrega-test/orc/monthly'"
    )
    for month, orders in [("2018-01", 1), ("2018-02", 2), ("2018-02", 20)]:
        spark.sql(f"insert overwrite table monthly partition (month = '{month}') select {orders}")
    assert rows(spark, "select month, orders from monthly order by 1") == [("2018-01", 1), ("2018-02", 20)]
    assert beeline(services, "select month, orders from monthly order by 1") == ["2018-01,1", "2018-02,20"]


def test_what_was_killed_is_told_and_starts_again_with_its_data(services: Services) -> None:
    before = services.processes()
    for name in ("s3", "metastore"):
        os.killpg(before[name]["pid"], signal.SIGKILL)
    told = services.call("status")
    assert told.returncode == 3
    assert told.stdout.count(" died ") == 2, told.stdout
    services("start")
    after = services.processes()
    assert after["spark"] == before["spark"]
    assert after["s3"]["pid"] != before["s3"]["pid"]
    assert aws(services, "s3", "ls", "s3://entrega-test/cli/parcel").returncode == 0
    assert beeline(services, "select sum(orders) from monthly") == ["21"]


def test_stop_leaves_nothing_running(services: Services) -> None:
    before = services.processes()
    ports = json.loads((services.folder / "state.json").read_text())["ports"]
    assert set(before) == set(ALL)
    services("stop")
    assert services.processes() == {}
    for process in before.values():
        assert processes.members(process) == []
    commands = subprocess.run(["ps", "-A", "-ww", "-o", "args="], capture_output=True, text=True, check=True).stdout
    left = [line for line in commands.splitlines() if str(services.folder / "") in line and "pytest" not in line]
    assert left == []
    assert [path for port in ports.values() for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock")] == []
    assert services.call("stop").returncode == 0
