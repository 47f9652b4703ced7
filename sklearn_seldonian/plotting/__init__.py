"""Pictures of training, of certificates, and of what they cost; drawn with matplotlib."""

from sklearn_seldonian.certification import CertificateDisplay
from sklearn_seldonian.plotting._displays import PowerDisplay, TrainingDisplay
from sklearn_seldonian.plotting._tradeoff import TradeoffDisplay

__all__ = ["CertificateDisplay", "PowerDisplay", "TradeoffDisplay", "TrainingDisplay"]
