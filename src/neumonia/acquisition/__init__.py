"""Cómo se tomó la radiografía: diferencias de adquisición entre partes y grupos de adquisición."""

from neumonia.acquisition.domain import (
    DomainResult,
    domain_classifier,
    domain_table,
    official_domain,
)
from neumonia.acquisition.drift import drift_table
from neumonia.acquisition.statistics import STATISTICS, acquisition_statistics, domain_features

__all__ = [
    "STATISTICS",
    "DomainResult",
    "acquisition_statistics",
    "domain_classifier",
    "domain_features",
    "domain_table",
    "drift_table",
    "official_domain",
]
