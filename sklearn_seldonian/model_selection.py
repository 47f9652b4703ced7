"""Searches for settings that keep the promise of one safety test."""

from sklearn_seldonian.estimators._search import FinalTest, SeldonianSearchCV

__all__ = ["FinalTest", "SeldonianSearchCV"]
