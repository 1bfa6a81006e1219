"""The tutorial's DAG against a real bucket: an export goes in, late shipments come out."""

from __future__ import annotations

import io
import uuid
import zipfile
from pathlib import Path

import boto3
import pytest
from conftest import SHOP
from entrega.program import output
from home import Home

DATE = "2018-03-30"


def test_an_export_in_the_bucket_becomes_a_list_of_late_sellers_in_the_bucket(
    bucket_server: dict[str, str], empty_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = bucket_server["ENTREGA_TEST_BUCKET"]
    keys = {name: value for name, value in bucket_server.items() if name.startswith("AWS_")}
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    lake = f"s3://{bucket}/{uuid.uuid4().hex}/lake"
    output(["lake", "init", "--lake", lake])
    export = io.BytesIO()
    with zipfile.ZipFile(export, "w") as archive:
        for file in sorted(SHOP.glob("*.csv")):
            archive.write(file, file.name)
    client = boto3.client("s3")
    client.put_object(Bucket=bucket, Key=f"exports/{DATE}.zip", Body=export.getvalue())

    settings = {"ENTREGA_LAKE": lake, "AIRFLOW_VAR_ENTREGA_BUCKET": bucket, "AIRFLOW_CONN_AWS_DEFAULT": "aws://"}
    home = empty_home.copy(tmp_path / "home", **keys, **settings)
    states = home.run("late_shipments", f"{DATE}T00:00:00")

    tasks = ["fetch", "ingest", "summarise", "late_per_seller", "deliver"]
    assert states == dict.fromkeys(tasks, "success")
    key = home.result("late_shipments", "deliver")
    report = client.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    assert report.splitlines() == [
        "seller_id,late_items,price,most_days_late",
        "5e000000000000000000000000000003,2,199.98,4",
    ]
