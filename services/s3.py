"""The S3 server: SeaweedFS, its master, volume server, filer and S3 gateway in one process."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from pathlib import Path

from server import Place, Server, clean_environment
from state import LOOPBACK, Trouble, write_private

BUCKET = "entrega-test"
REGION = "us-east-1"
# SeaweedFS needs one for each of its parts, and one more for each part's gRPC. The gateway is what clients call.
S3_PORTS = [f"s3-{part}" for part in ("gateway", "master", "volume", "filer")]
S3_PORTS += [f"{port}-grpc" for port in S3_PORTS]


def configure_s3(place: Place) -> tuple[list[str], dict[str, str]]:
    """One identity that may do everything, and a port for each part."""
    folder = place.folder("s3")
    (folder / "data").mkdir(parents=True, exist_ok=True)
    keys = place.state.credentials()
    credentials = [{"accessKey": keys["access_key"], "secretKey": keys["secret_key"]}]
    identities = {"identities": [{"name": "entrega", "credentials": credentials, "actions": ["Admin"]}]}
    write_private(folder / "identities.json", json.dumps(identities, indent=2) + "\n")
    gateway, master, volume, filer = (place.port(name) for name in S3_PORTS[:4])
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
    """Whether the gateway says that it is healthy, and the master knows of room on the volume server."""
    try:
        with urllib.request.urlopen(f"{endpoint(place)}/healthz", timeout=2) as answer:
            healthy = answer.status == 200
        with urllib.request.urlopen(f"http://{LOOPBACK}:{place.port('s3-master')}/dir/status", timeout=2) as answer:
            return healthy and json.load(answer)["Topology"]["Max"] > 0
    except OSError:
        # URLError is one too.
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


S3 = Server(
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
)
