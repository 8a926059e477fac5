"""The list of metrics in `docs/operations.md`, from `kit/metrics.py`."""

from __future__ import annotations

from prometheus_client.metrics import MetricWrapperBase

from reelqueue.dev.docs.markdown import table
from reelqueue.kit.metrics import Metrics

_SUFFIX = {"counter": "_total"}


def metrics_table() -> str:
    """Every metric, with its labels."""
    rows = []
    for metric in vars(Metrics()).values():
        if isinstance(metric, MetricWrapperBase):
            family = next(iter(metric.describe()))
            labels = ", ".join(f"`{name}`" for name in metric._labelnames)  # noqa: SLF001 - there is no public way
            rows.append([f"`{family.name}{_SUFFIX.get(family.type, '')}`", family.type, labels, family.documentation])
    return table(["metric", "type", "labels", "meaning"], rows)
