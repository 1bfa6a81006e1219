"""Late shipments: the first pipeline of many a tutorial, for real.

    bucket: exports/<date>.zip ──fetch──▶ a drop ──ingest, summarise──▶ tables
    bucket: reports/late_to_carrier_<date>.csv ◀──deliver── late items per seller ◀──┘

Every morning the order system leaves its export in a bucket. The DAG takes it in, asks which sellers handed items to
the carrier too late, and leaves the answer as CSV in the same bucket.

It wants the Airflow variable `entrega_bucket`, the connection `aws_default`, and the lake in the workers' ENTREGA_LAKE.
"""

import os
import tempfile
import zipfile
from datetime import timedelta
from pathlib import Path

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.sdk import DAG, Variable, task
from entrega import Lake, operators
from entrega.airflow import EntregaOperator

LATE_PER_SELLER = """
select
  seller_id,
  count(*) as late_items,
  sum(price) as price,
  max(datediff(order_delivered_carrier_date, shipping_limit_date)) as most_days_late
from summary.late_to_carrier
group by seller_id
order by late_items desc, seller_id
"""

with DAG(
    "late_shipments",
    description="Export in, late shipments per seller out",
    schedule="0 6 * * *",
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["entrega"],
) as dag:

    @task
    def fetch(ds: str | None = None) -> str:
        """Makes a drop of the day's export, and names it. Fetched again, the same rows change nothing."""
        with tempfile.TemporaryDirectory() as folder:
            named = S3Hook().download_file(
                f"exports/{ds}.zip", Variable.get("entrega_bucket"), local_path=folder, preserve_file_name=True
            )
            with zipfile.ZipFile(named) as export:
                export.extractall(folder)
            files = sorted(Path(folder).rglob("*.csv"))
            return operators.land(os.environ["ENTREGA_LAKE"], files=files, day=ds, whole=True)["drop"]

    @task
    def late_per_seller() -> str:
        """Asks. An answer of one line a seller is small enough to be handed on as it is."""
        return Lake(os.environ["ENTREGA_LAKE"]).sql(LATE_PER_SELLER).csv()

    @task
    def deliver(report: str, ds: str | None = None) -> str:
        """Leaves the answer in the bucket; a repeated run replaces it."""
        key = f"reports/late_to_carrier_{ds}.csv"
        S3Hook().load_string(report, key, Variable.get("entrega_bucket"), replace=True)
        return key

    # It takes all that waits: also the drop of a morning on which the tasks after fetch did not come through.
    ingest = EntregaOperator(task_id="ingest", operator="ingest")
    summarise = EntregaOperator(task_id="summarise", operator="summarise")
    answer = late_per_seller()
    fetch() >> ingest >> summarise >> answer
    deliver(answer)
