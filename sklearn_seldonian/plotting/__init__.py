"""Pictures of training, of certificates, and of what they cost; drawn with matplotlib."""

from sklearn_seldonian.certification import CertificateDisplay
from sklearn_seldonian.plotting._displays import PowerDisplay, TradeoffDisplay, TrainingDisplay

__all__ = ["CertificateDisplay", "PowerDisplay", "TradeoffDisplay", "TrainingDisplay"]
