"""Plots of training, certificates and their cost, drawn with matplotlib."""

from sklearn_seldonian.certification import CertificateDisplay
from sklearn_seldonian.plotting._power import PowerDisplay
from sklearn_seldonian.plotting._tradeoff import TradeoffDisplay
from sklearn_seldonian.plotting._training import TrainingDisplay

__all__ = ["CertificateDisplay", "PowerDisplay", "TradeoffDisplay", "TrainingDisplay"]
