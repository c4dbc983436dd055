"""Evaluación: métricas, curvas, intervalos por paciente y tablas."""

from neumonia.evaluation.bootstrap import (
    bootstrap_by_patient,
    metric_distributions,
    metrics_with_intervals,
)
from neumonia.evaluation.curves import pr_points, roc_points
from neumonia.evaluation.metrics import METRIC_NAMES, binary_metrics
from neumonia.evaluation.tables import Table, metrics_table, to_markdown

__all__ = [
    "METRIC_NAMES",
    "Table",
    "binary_metrics",
    "bootstrap_by_patient",
    "metric_distributions",
    "metrics_table",
    "metrics_with_intervals",
    "pr_points",
    "roc_points",
    "to_markdown",
]
