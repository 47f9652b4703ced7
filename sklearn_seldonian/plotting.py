"""Pictures of training; matplotlib is imported only when one is drawn."""

from __future__ import annotations

import numpy as np

__all__ = ["TrainingDisplay"]


class TrainingDisplay:
    """How training approached the region where the constraints are expected to pass.

    Parameters
    ----------
    history : DataFrame
        An estimator's `history_`.
    constraints : sequence of str
        The constraints' texts, in order.
    kept_epoch : int
        The epoch (from 1) whose weights were kept.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes, of shape (4,)
    figure_ : matplotlib Figure
        Both set by `plot`.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn_seldonian import SeldonianClassifier
    >>> from sklearn_seldonian.plotting import TrainingDisplay
    >>> X, y = make_classification(1000, class_sep=2.0, random_state=0)
    >>> model = SeldonianClassifier(constraints="ACC >= 0.7", random_state=0).fit(X, y)
    >>> display = TrainingDisplay.from_estimator(model)
    """

    def __init__(self, history, constraints, kept_epoch):
        self.history = history
        self.constraints = constraints
        self.kept_epoch = kept_epoch

    @classmethod
    def from_estimator(cls, estimator):
        """The display of a fitted Seldonian estimator with constraints.

        Raises
        ------
        ValueError
            If it was trained without constraints, or not trained at all.
        """
        if not estimator.constraints_ or not hasattr(estimator, "history_"):
            raise ValueError("There is no constrained training to show.")
        texts = [constraint.text for constraint in estimator.constraints_]
        return cls(estimator.history_, texts, estimator.net_.kept_epoch_)

    def plot(self, axes=None):
        """Draw loss, multipliers, predicted bounds and Lagrangian against epochs.

        Parameters
        ----------
        axes : array of four matplotlib Axes, default=None
            None: a new figure.

        Returns
        -------
        self
        """
        import matplotlib.pyplot as plt

        if axes is None:
            _, grid = plt.subplots(2, 2, figsize=(9, 6.5), sharex=True, layout="constrained")
            axes = grid.ravel()
        self.axes_, self.figure_ = axes, axes[0].figure
        loss = self.history["candidate_loss"]
        multipliers, bounds = self._series("multiplier"), self._series("predicted_bound")
        lagrangian = loss + sum(m * b for m, b in zip(multipliers, bounds, strict=True))
        self._panel(axes[0], [loss], "Primary loss")
        self._panel(axes[1], multipliers, "Multiplier")
        self._panel(axes[2], bounds, "Predicted upper bound on g")
        self._panel(axes[3], [lagrangian], "Lagrangian")
        self._shade_infeasible(axes[2])
        axes[1].legend(_shortened(self.constraints), fontsize="small")
        for ax in axes[2:4]:
            ax.set_xlabel("Epoch")
        return self

    def _series(self, name):
        return [self.history[f"{name}_{i}"] for i in range(len(self.constraints))]

    def _panel(self, ax, series, label):
        for values in series:
            ax.plot(self.history["epoch"], values, marker="o", markersize=3)
        if self.kept_epoch:
            ax.axvline(self.kept_epoch, color="0.4", linestyle=":", linewidth=1)
        ax.set_ylabel(label)

    def _shade_infeasible(self, ax):
        low, high = ax.get_ylim()
        high = max(high, 0.05 * np.abs([low, high]).max())
        ax.axhspan(0.0, high, color="0.85", zorder=0)
        ax.text(0.98, 0.95, "infeasible", transform=ax.transAxes, ha="right", va="top", color="0.4")
        ax.set_ylim(low, high)


def _shortened(texts, width=40):
    return [text if len(text) <= width else f"{text[: width - 3]}..." for text in texts]
