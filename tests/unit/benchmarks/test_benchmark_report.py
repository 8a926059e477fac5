from __future__ import annotations

import json
from pathlib import Path

from benchmarks.figures import Aim, Figure
from benchmarks.load import Outcome
from benchmarks.report import Report, Run, Table, document, keep, render
from benchmarks.statements import Statement, calls_per, shortened
from benchmarks.usage import CpuReading

REPORT = Report(
    title="the cost of one job",
    measured="20 jobs",
    figures=[
        Figure(name="CPU", value=41.26, unit="ms", aim=Aim("at most", 40)),
        Figure(name="ratio", value=2.5, unit="x", aim=Aim("at least", 2)),
        Figure(name="idle", value=0.01, unit=""),
    ],
    tables=[
        Table(
            title="sides",
            columns=("side", "a job", "of pgbench"),
            rows=[("ours", 1200.0, 0.5), ("bare route", 3.25, None), ("third", 1.0, 1.0)],
            printed=2,
        )
    ],
    notes=["a note"],
)
RUN = Run(
    name="cost", command="python -m benchmarks cost", quick=False, machine={"cores": 2, "fsync": "86 µs"}, seconds=1.26
)


def test_a_report_reads_as_a_table() -> None:
    assert render(REPORT, RUN).splitlines() == [
        "cost: the cost of one job",
        "  measured  20 jobs",
        "  on        cores 2.00, fsync 86 µs",
        "  command   python -m benchmarks cost",
        "",
        "  sides",
        "    side        a job  of pgbench",
        "    ours        1,200       0.500",
        "    bare route   3.25           -",
        "    and 1 more in the JSON",
        "",
        "  CPU    41.3 ms  aim: at most 40.0   MISSED",
        "  ratio  2.50 x   aim: at least 2.00  met",
        "  idle   0.0100",
        "  note      a note",
    ]


def test_a_quick_run_says_that_its_figures_mean_nothing() -> None:
    quick = Run(name="cost", command="python -m benchmarks cost --quick", quick=True)
    assert render(REPORT, quick).splitlines()[0] == "cost: the cost of one job (quick: only to see that it runs)"


def test_the_json_has_everything(tmp_path: Path) -> None:
    kept = keep(REPORT, RUN, tmp_path / "bench")
    assert kept.name == "cost.json"
    found = json.loads(kept.read_text())
    assert found == json.loads(json.dumps(document(REPORT, RUN)))
    assert [(figure["name"], figure["met"]) for figure in found["figures"]] == [
        ("CPU", False),
        ("ratio", True),
        ("idle", None),
    ]
    assert found["figures"][0]["aim"] == {"way": "at most", "limit": 40}
    assert len(found["tables"][0]["rows"]) == 3
    assert (found["command"], found["quick"], found["seconds"]) == ("python -m benchmarks cost", False, 1.3)
    assert [path.name for path in kept.parent.iterdir()] == ["cost.json"]


def test_a_report_without_rows_can_be_printed() -> None:
    table = Table(title="idle", columns=("a second", "statement"), rows=[], printed=15)
    empty = Report(title="nothing", measured="nothing", figures=[], tables=[table])
    assert render(empty, RUN).splitlines()[-2:] == ["  idle", "    a second  statement"]


def test_statements_are_counted_by_job_and_told_from_transaction_control() -> None:
    ran = [
        Statement("worker-step", "UPDATE jobs SET status = $1", 30, 9.0),
        Statement("worker-step", "BEGIN ISOLATION LEVEL READ COMMITTED", 20, 0.1),
        Statement("gateway", "COMMIT", 10, 0.1),
    ]
    assert calls_per(ran, 10) == 6
    assert [one.is_control for one in ran] == [False, True, True]


def test_a_statement_is_shown_on_one_line() -> None:
    assert shortened("\nSELECT 1\n   FROM\tjobs ") == "SELECT 1 FROM jobs"
    assert shortened("x" * 200, most=10) == "xxxxxxxxx…"


def test_cpu_used_is_the_difference_by_process() -> None:
    before = CpuReading(100.0, {"gateway": 1.5, "postgres": 2.0})
    after = CpuReading(104.0, {"gateway": 1.75, "postgres": 4.0, "twin": 0.5})
    assert after.since(before) == {"gateway": 0.25, "postgres": 2.0, "twin": 0.5}
    assert after.elapsed_s(before) == 4.0


def test_a_rate_is_of_what_was_counted_not_of_what_was_answered() -> None:
    seen = Outcome(answered=500, statuses={"202": 400}, latencies_s=[0.01] * 400, wall_s=2.0, client_cpu_s=0.1)
    assert seen.rate == 200
