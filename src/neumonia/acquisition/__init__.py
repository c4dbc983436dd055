"""Cómo se tomó la radiografía: diferencias de adquisición entre partes y grupos de adquisición."""

from neumonia.acquisition.domain import (
    DomainResult,
    domain_classifier,
    domain_table,
    official_domain,
)
from neumonia.acquisition.drift import drift_table
from neumonia.acquisition.groups import (
    GROUP_COLUMNS,
    AcquisitionGroups,
    acquisition_groups,
    fit_groups,
    group_table,
)
from neumonia.acquisition.statistics import STATISTICS, acquisition_statistics, domain_features

__all__ = [
    "GROUP_COLUMNS",
    "STATISTICS",
    "AcquisitionGroups",
    "DomainResult",
    "acquisition_groups",
    "acquisition_statistics",
    "domain_classifier",
    "domain_features",
    "domain_table",
    "drift_table",
    "fit_groups",
    "group_table",
    "official_domain",
]
