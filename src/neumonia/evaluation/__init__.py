"""Evaluación: métricas, curvas, intervalos por paciente, calibración, umbrales y tablas."""

from neumonia.evaluation.bootstrap import (
    bootstrap_by_patient,
    mean_distribution,
    mean_interval,
    metric_distributions,
    metrics_with_intervals,
    percentile_interval,
)
from neumonia.evaluation.calibration import (
    brier_score,
    calibration_summary,
    expected_calibration_error,
    log_loss,
    reliability_table,
    wilson_interval,
)
from neumonia.evaluation.comparison import (
    Spread,
    hierarchical_interval,
    independent_difference,
    paired_differences,
    seed_spread,
)
from neumonia.evaluation.curves import pr_points, roc_points
from neumonia.evaluation.decision import (
    TREAT_ALL,
    TREAT_NONE,
    decision_curve,
    net_benefit,
)
from neumonia.evaluation.delong import (
    AucComparison,
    AucEstimate,
    delong_interval,
    delong_test,
)
from neumonia.evaluation.metrics import METRIC_NAMES, binary_metrics
from neumonia.evaluation.prevalence import (
    adjust_prevalence,
    predictive_table,
    predictive_values,
)
from neumonia.evaluation.promises import (
    cost_optimism,
    cost_table,
    promise_table,
)
from neumonia.evaluation.tables import Table, measured_table, metrics_table, to_markdown
from neumonia.evaluation.temperature import (
    apply_temperature,
    fit_temperature,
    probability_logits,
)
from neumonia.evaluation.thresholds import (
    threshold_balanced,
    threshold_for_cost,
    threshold_for_sensitivity,
)

__all__ = [
    "METRIC_NAMES",
    "TREAT_ALL",
    "TREAT_NONE",
    "AucComparison",
    "AucEstimate",
    "Spread",
    "Table",
    "adjust_prevalence",
    "apply_temperature",
    "binary_metrics",
    "bootstrap_by_patient",
    "brier_score",
    "calibration_summary",
    "cost_optimism",
    "cost_table",
    "decision_curve",
    "delong_interval",
    "delong_test",
    "expected_calibration_error",
    "fit_temperature",
    "hierarchical_interval",
    "independent_difference",
    "log_loss",
    "mean_distribution",
    "mean_interval",
    "measured_table",
    "metric_distributions",
    "metrics_table",
    "metrics_with_intervals",
    "net_benefit",
    "paired_differences",
    "percentile_interval",
    "pr_points",
    "predictive_table",
    "predictive_values",
    "probability_logits",
    "promise_table",
    "reliability_table",
    "roc_points",
    "seed_spread",
    "threshold_balanced",
    "threshold_for_cost",
    "threshold_for_sensitivity",
    "to_markdown",
    "wilson_interval",
]
