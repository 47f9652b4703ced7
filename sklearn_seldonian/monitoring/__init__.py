"""Monitoring of a model in use: whether its constraints still hold."""

from sklearn_seldonian.monitoring._display import MonitorDisplay
from sklearn_seldonian.monitoring._monitor import SafetyMonitor

__all__ = ["MonitorDisplay", "SafetyMonitor"]
