"""Searches for settings whose certificates promise the same as that of a single fit."""

from sklearn_seldonian.estimators._search import FinalTest, SeldonianSearchCV

__all__ = ["FinalTest", "SeldonianSearchCV"]
