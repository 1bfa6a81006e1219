"""What deploy/ says twice must be the same in both places: settings, versions, policies.

The tests with real servers (services/) decide what is right; here is only compared.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
EMR = DEPLOY / "emr"
CONTAINERS = DEPLOY / "containers"
TEMPLATES = sorted(EMR.glob("*.yaml"))

sys.path.insert(0, str(ROOT / "services"))
from hadoop import hadoop_settings, hive_settings  # noqa: E402
from installation import MINIMUM_JAVA, Installation  # noqa: E402
from server import Place  # noqa: E402
from spark import spark_settings  # noqa: E402
from state import State  # noqa: E402

# The settings that decide what a model means and where its tables are found.
THAT_MATTER = [
    "spark.sql.catalog.spark_catalog",
    "spark.sql.catalogImplementation",
    "spark.sql.extensions",
    "spark.sql.session.timeZone",
    "spark.sql.timestampType",
]
# Which Spark a release of EMR has, by AWS's release notes. A new release needs a line, and so a look at them.
SPARK_LINE = {"emr-spark-8.1.0": "4.1"}


class Template(yaml.SafeLoader):
    """Reads CloudFormation's short forms: `!Ref X` becomes {"Ref": "X"}."""


def short_form(loader: Template, suffix: str, node: yaml.Node) -> dict:
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {suffix: value}


Template.add_multi_constructor("!", short_form)


def template(name: str) -> dict:
    return yaml.load((EMR / name).read_text(), Template)


def compose() -> dict:
    return yaml.safe_load((CONTAINERS / "compose.yaml").read_text())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    state = State(tmp_path)
    state.make()
    state.choose_ports(["s3-gateway", "metastore"])
    return Place(state, Installation(tmp_path))


def configurations(found: object) -> list[dict]:
    """Every configuration of a template, whatever conditions are around it."""
    if isinstance(found, dict):
        here = [found] if "Classification" in found else []
        return here + [one for value in found.values() for one in configurations(value)]
    if isinstance(found, list):
        return [one for value in found for one in configurations(value)]
    return []


def spark_defaults(name: str) -> dict:
    (found,) = [one for one in configurations(template(name)) if one["Classification"] == "spark-defaults"]
    return found.get("Properties") or found["ConfigurationProperties"]


def container_defaults() -> dict:
    lines = (CONTAINERS / "conf/spark-defaults.conf").read_text().splitlines()
    return dict(line.split(None, 1) for line in lines if line and not line.startswith("#"))


def pom(name: str) -> str:
    return re.search(rf"<{name}>(.+)</{name}>", (ROOT / "services/pom.xml").read_text())[1]


def required(package: str) -> str:
    text = (ROOT / "services/requirements.txt").read_text()
    return re.search(rf"^{re.escape(package)}(?:\[.*\])?==(.+)$", text, re.MULTILINE)[1]


def cargo(name: str) -> str:
    return re.search(rf'^{name} = "(.+)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


# ── Spark's settings ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["cluster.yaml", "serverless.yaml"])
def test_emr_has_the_settings_that_matter(name: str, place: Place) -> None:
    tested, here = spark_settings(place, "1g"), spark_defaults(name)
    assert {one: here.get(one) for one in THAT_MATTER} == {one: tested[one] for one in THAT_MATTER}
    # And no other of Spark SQL's settings that the tests know nothing of.
    assert {one for one in here if one.startswith("spark.sql.")} == set(THAT_MATTER)


def test_containers_have_the_settings_of_the_tests(place: Place) -> None:
    tested, here = spark_settings(place, "1g"), container_defaults()
    assert set(THAT_MATTER) <= set(here)
    assert here == {one: str(tested.get(one)) for one in here}


def test_containers_reach_bucket_and_metastore_as_the_tests_do(place: Place) -> None:
    tested = {
        "conf/core-site.xml": hadoop_settings(place),
        "conf/hive-site.xml": hive_settings(place, "spark") | {"hive.server2.enable.doAs": "false"},
    }
    # Keys come from the environment; tables without a location of their own are no business of the containers'.
    elsewhere = {"fs.s3a.access.key", "fs.s3a.secret.key", "hive.metastore.warehouse.dir"}
    for name, settings in tested.items():
        rows = ElementTree.parse(CONTAINERS / name).getroot().iter("property")
        here = {row.findtext("name"): row.findtext("value") for row in rows}
        assert set(here) == set(settings) - elsewhere
        fixed = {one: value for one, value in here.items() if "${env." not in value and "credentials" not in one}
        assert fixed == {one: str(settings[one]) for one in fixed}


# ── Versions ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_package_of_delta_is_the_tested_one_for_the_releases_spark() -> None:
    parameters = template("cluster.yaml")["Parameters"]
    spark = SPARK_LINE[parameters["ReleaseLabel"]["Default"]]
    assert parameters["DeltaPackage"]["Default"] == f"io.delta:delta-spark_{spark}_2.13:{pom('delta.version')}"
    assert template("serverless.yaml")["Parameters"]["ReleaseLabel"]["Default"] in SPARK_LINE


def test_services_are_installed_from_the_tested_pins_and_nothing_else() -> None:
    text = (CONTAINERS / "services.Dockerfile").read_text()
    assert "COPY services/requirements.txt /tmp/requirements.txt" in text
    assert "COPY services/pom.xml /pom.xml" in text
    assert re.findall(r"pip install (.*) \\", text) == ["--no-cache-dir --requirement /tmp/requirements.txt"]
    assert len(re.findall(r"^\s+mvn ", text, re.MULTILINE)) == 1


def test_images_have_the_toolchains_that_the_code_wants() -> None:
    entrega = (CONTAINERS / "Dockerfile").read_text()
    services = (CONTAINERS / "services.Dockerfile").read_text()
    assert numbers(re.search(r"FROM rust:(\S+)-bookworm", entrega)[1]) >= numbers(cargo("rust-version"))
    for text in (entrega, services):
        assert numbers(re.search(r"FROM python:(\S+)-slim-bookworm", text)[1]) >= (3, 11)
    assert int(re.search(r"openjdk-(\d+)-jre", services)[1]) >= MINIMUM_JAVA
    assert f"ARG VERSION={cargo('version')}\n" in entrega


def test_every_image_has_a_version() -> None:
    images = [one["image"] for one in compose()["services"].values() if "build" not in one]
    for path in CONTAINERS.glob("*Dockerfile"):
        images += re.findall(r"^FROM (\S+)", path.read_text(), re.MULTILINE)
    assert len(images) > 4
    for image in images:
        assert re.search(r":(\d+\.\d+\.\d+|bookworm-slim)", image), f"{image} is another one tomorrow"


def test_the_guide_names_the_tested_versions() -> None:
    text = (ROOT / "docs/guides/emr.md").read_text()
    assert f"Spark {required('pyspark')} and Delta {pom('delta.version')}" in text
    for release in SPARK_LINE:
        assert f"`{release}`" in text


# ── Policies ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_policies_are_those_that_entrega_prints() -> None:
    text = (ROOT / "crates/entrega-lake/src/policy.rs").read_text()
    resources = template("bucket.yaml")["Resources"]
    for role in ("Runner", "Reader", "Deliverer"):
        printed = re.search(rf"Role::{role} => vec!\[(.*?)\n            \],|Role::{role} => vec!\[(.*?)\}}\)\],", text, re.S)
        actions = set(re.findall(r'"(s3:\w+)"', printed[0]))
        if re.search(r"\blist,", printed[0]):
            actions.add("s3:ListBucket")
        statements = resources[f"{role}Policy"]["Properties"]["PolicyDocument"]["Statement"]
        granted = {action for one in statements for action in as_list(one["Action"])}
        assert {one for one in granted if one.startswith("s3:")} == actions, role


def test_the_lakes_lifecycle_is_the_one_that_entrega_prints() -> None:
    text = (ROOT / "crates/entrega-lake/src/policy.rs").read_text()
    days = {name: int(value) for name, value in re.findall(r"const (\w+_DAYS): u32 = (\d+);", text)}
    (staging,) = [one for one in lifecycle() if one["Id"] == "entrega-staging"]
    assert staging["ExpirationInDays"] == days["KEEP_STAGED_DAYS"]
    (rule,) = [one for one in lifecycle() if one["Id"] == "entrega-lake"]
    assert rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] == days["FORGET_UPLOADS_DAYS"]
    assert rule["NoncurrentVersionExpiration"]["NoncurrentDays"] == days["KEEP_REPLACED_DAYS"]


def test_no_rule_expires_a_current_object_of_a_table() -> None:
    expiring = [one for one in lifecycle() if {"ExpirationInDays", "ExpirationDate"} & set(one)]
    assert expiring
    prefix = template("bucket.yaml")["Parameters"]["LakePrefix"]["AllowedPattern"]
    for one in expiring:
        if one["Id"] == "entrega-staging":
            assert one["Prefix"] == {"Sub": "${LakePrefix}/_staging/"}
            continue
        assert re.fullmatch(r"_emr/\w+/", one["Prefix"])
        assert not re.match(prefix, one["Prefix"].rstrip("/"))
    assert re.match(prefix, "lakes/main")


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_nobody_may_do_everything(path: Path) -> None:
    for one in statements_of(yaml.load(path.read_text(), Template)):
        if one["Effect"] == "Deny" or one.get("Sid") == "TheAccount":
            continue
        assert not [action for action in as_list(one["Action"]) if re.fullmatch(r"\*|\w+:\*", action)], one
        assert "*" not in as_list(one.get("Resource", [])), one


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_nothing_comes_in_from_outside(path: Path) -> None:
    for name, resource in yaml.load(path.read_text(), Template)["Resources"].items():
        properties = resource.get("Properties", {})
        rules = as_list(properties.get("SecurityGroupIngress", []))
        if resource["Type"] == "AWS::EC2::SecurityGroupIngress":
            rules.append(properties)
        assert not [rule for rule in rules if "CidrIp" in rule or "CidrIpv6" in rule], name
        assert not properties.get("MapPublicIpOnLaunch"), name


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_have_neither_aliases_nor_merges(path: Path) -> None:
    # CloudFormation refuses them, and cfn-lint does not notice.
    kinds = {type(event) for event in yaml.parse(path.read_text(), Template)}
    assert yaml.AliasEvent not in kinds
    assert "<<:" not in path.read_text()


def lifecycle() -> list[dict]:
    return template("bucket.yaml")["Resources"]["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]


def statements_of(found: object) -> list[dict]:
    if isinstance(found, dict):
        here = [found] if "Effect" in found and "Action" in found else []
        return here + [one for value in found.values() for one in statements_of(value)]
    if isinstance(found, list):
        return [one for value in found for one in statements_of(value)]
    return []


def as_list(value: object) -> list:
    return list(value) if isinstance(value, list) else [value]


# ── Containers ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_ports_are_published_on_the_loopback_address_only() -> None:
    ports = [port for one in compose()["services"].values() for port in one.get("ports", [])]
    assert len(ports) > 4
    assert not [port for port in ports if not str(port).startswith("127.0.0.1:")]


def test_servers_have_a_health_check_and_everything_has_limits() -> None:
    for name, one in compose()["services"].items():
        # Jupyter's is in its image; bucket and entrega end by themselves.
        assert "healthcheck" in one or name in ("bucket", "entrega", "jupyter"), name
        assert {"cpus", "memory", "pids"} <= set(one["deploy"]["resources"]["limits"]), name
        assert "no-new-privileges:true" in one["security_opt"], name
        assert one["restart"], name


def test_names_in_the_compose_file_fit() -> None:
    # What `docker compose config` would tell, where there is no Docker.
    found = compose()
    for name, one in found["services"].items():
        assert set(one.get("depends_on", {})) <= set(found["services"]), name
        for other, how in one.get("depends_on", {}).items():
            assert how["condition"] != "service_healthy" or "healthcheck" in found["services"][other], name
        named = [volume.split(":")[0] for volume in one.get("volumes", []) if isinstance(volume, str)]
        assert set(named) <= set(found["volumes"]), name
        if build := one.get("build"):
            path = (CONTAINERS / build["context"] / build["dockerfile"]).resolve()
            assert re.search(rf" AS {build.get('target', 'services')}$", path.read_text(), re.MULTILINE), name
            assert path.with_name(path.name + ".dockerignore").is_file(), name


def test_no_container_runs_as_root() -> None:
    for path in CONTAINERS.glob("*Dockerfile"):
        stages = re.split(r"^FROM ", path.read_text(), flags=re.MULTILINE)[1:]
        # What is built in is thrown away; what is run names its user.
        for stage in stages:
            assert " AS build" in stage or " AS jars" in stage or re.search(r"^USER \d{4,}:\d{4,}$", stage, re.M), stage


def test_the_example_has_every_variable_and_no_secret() -> None:
    example = dict(re.findall(r"^(\w+)=(.*)$", (CONTAINERS / ".env.example").read_text(), re.MULTILINE))
    text = (CONTAINERS / "compose.yaml").read_text()
    used = dict(re.findall(r"\$\{(\w+)(:[?-][^}]*)?\}", text))
    assert set(used) == set(example)
    for name, otherwise in used.items():
        secret = re.search("KEY|TOKEN|SECRET", name)
        # A secret has no default, here or there; without it nothing starts.
        assert bool(secret) == otherwise.startswith(":?"), name
        assert bool(secret) == (example[name] == ""), name
