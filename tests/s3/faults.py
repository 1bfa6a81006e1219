"""Faults between the program and the S3 server: an addon of mitmproxy.

    mitmdump --mode reverse:http://127.0.0.1:PORT --set keep_host_header=true -s faults.py

Every request is let through or hit by one of the faults below, as the dice of FAULT_SEED fall; FAULT_SHARE is the share that
is hit. A request is never hit more than twice in a row, so that whoever asks again gets an answer. What happened is written to
FAULT_LOG, one JSON object a line.

| Fault | What the program sees | What the server did |
| --- | --- | --- |
| unavailable | 503 and Slow Down | nothing |
| internal | 500 | nothing |
| reset | the connection ends before an answer | nothing |
| late | an answer after some seconds | all of it |
| lost | the connection ends before an answer | all of it |
| cut | half of the body, then the connection ends | all of it |
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections import Counter
from pathlib import Path

from mitmproxy import http

SLOW_DOWN = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
INTERNAL = b"<?xml version='1.0'?><Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>"
BEFORE = ["unavailable", "internal", "reset"]
AFTER = ["late", "lost", "cut"]
LATE_SECONDS = 1.5
MOST_IN_A_ROW = 2


class Faults:
    """Decides for each request, and remembers what it did."""

    def __init__(self) -> None:
        self.dice = random.Random(int(os.environ["FAULT_SEED"]))
        self.share = float(os.environ["FAULT_SHARE"])
        self.log = Path(os.environ["FAULT_LOG"]).open("a", buffering=1)
        self.in_a_row: Counter[tuple[str, str]] = Counter()

    def choose(self, request: http.Request) -> str | None:
        """The fault that hits a request, if any."""
        asked = (request.method, request.path)
        if self.in_a_row[asked] >= MOST_IN_A_ROW or self.dice.random() >= self.share:
            self.in_a_row[asked] = 0
            return None
        self.in_a_row[asked] += 1
        return self.dice.choice(BEFORE + AFTER)

    def tell(self, flow: http.HTTPFlow, fault: str) -> None:
        """Writes down a fault that took place."""
        conditional = any(name in flow.request.headers for name in ("if-none-match", "if-match"))
        entry = {"fault": fault, "method": flow.request.method, "path": flow.request.path, "conditional": conditional}
        self.log.write(json.dumps(entry) + "\n")

    def request(self, flow: http.HTTPFlow) -> None:
        """Before the server sees it."""
        fault = self.choose(flow.request)
        flow.metadata["fault"] = fault
        if fault == "unavailable":
            flow.response = http.Response.make(503, SLOW_DOWN, {"Content-Type": "application/xml"})
        elif fault == "internal":
            flow.response = http.Response.make(500, INTERNAL, {"Content-Type": "application/xml"})
        elif fault == "reset":
            flow.kill()
        if fault in BEFORE:
            self.tell(flow, fault)

    async def response(self, flow: http.HTTPFlow) -> None:
        """After the server has done it."""
        fault = flow.metadata.get("fault")
        body = flow.response.raw_content or b""
        if fault == "cut" and (flow.request.method != "GET" or len(body) < 2):
            fault = "lost"
        if fault == "late":
            self.tell(flow, fault)
            await asyncio.sleep(LATE_SECONDS)
        elif fault == "lost":
            self.tell(flow, fault)
            flow.kill()
        elif fault == "cut":
            self.tell(flow, fault)
            length = flow.response.headers.get("content-length", str(len(body)))
            flow.response.raw_content = body[: len(body) // 2]
            flow.response.headers["content-length"] = length
            flow.response.headers["connection"] = "close"


addons = [Faults()]
