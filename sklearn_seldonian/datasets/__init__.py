"""Data sets that come with the package."""

from sklearn_seldonian.datasets._adult import load_adult
from sklearn_seldonian.datasets._gpa import load_gpa

__all__ = ["load_adult", "load_gpa"]
