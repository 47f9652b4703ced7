"""The output of training: a table with one row per epoch, and a progress bar for long fits."""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any

from skorch import NeuralNet
from skorch.callbacks import Callback, PrintLog
from skorch.utils import Ansi
from tqdm import tqdm

from sklearn_seldonian._text import wrapped
from sklearn_seldonian.certification import units_of
from sklearn_seldonian.constraints import ResolvedConstraint, bonferroni
from sklearn_seldonian.learners.lagrangian._batches import Rows
from sklearn_seldonian.learners.lagrangian._callbacks import (
    ALWAYS,
    CONSTRAINED,
    EACH_CONSTRAINT,
)

logger = logging.getLogger("sklearn_seldonian")

# The bar appears if a fit takes longer than this.
SECONDS_BEFORE_BAR = 3.0
# Without a terminal for a bar, long epochs report their progress at this interval.
SECONDS_BETWEEN_LINES = 60.0
# The recorded entries that have their own column in the table, or no column.
OWN_KEYS = ("batches", "epoch", "dur", *ALWAYS, *CONSTRAINED)


class ProgressLog(PrintLog):  # type: ignore[misc]  # skorch has no types
    """Prints a table like skorch's `PrintLog`, with columns for the constraints.

    With ``verbose=1`` each epoch has one row. It shows the constraint that is least likely to
    pass, and the predicted probability that all of them pass. With a larger `verbose` each epoch
    has one row per constraint. Entries of other callbacks have columns too.
    """

    def __init__(self) -> None:
        super().__init__(sink=_say)

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        self._constraints, self._widths = net.problem.constraints, list[int]()
        if len(self._constraints) > 1:
            for i, constraint in enumerate(self._constraints):
                text = constraint.source.text or str(constraint.source)
                self.sink(wrapped(f"constraint {i}: {text}"))

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        rows = self._rows(net.history[-1], every=net.verbose > 1)
        if not self._widths:
            self._widths = [
                max(len(cell) for cell in (head, *(row[head] for row in rows))) for head in rows[0]
            ]
            self._print(rows[0])
            self._print("-" * width for width in self._widths)
        for row in rows:
            self._print(row.values())

    def _print(self, cells: Iterable[str]) -> None:
        justified = map(str.rjust, cells, self._widths)
        self.sink("  ".join(justified).rstrip())

    def _rows(self, epoch: Mapping[str, Any], every: bool) -> list[dict[str, str]]:
        """The rows of the table for an epoch: the text of each column by its head."""
        start = {"epoch": str(epoch["epoch"]), "loss": f"{epoch['loss']:8.4f}"}
        others = {key: self.format_row(epoch, key, "") for key in self._others(epoch)}
        end = {key: text.removesuffix(Ansi.ENDC.value).rjust(9) for key, text in others.items()}
        if "kept" in epoch:
            end["kept"] = "+" if epoch["kept"] else ""
        end["seconds"] = f"{epoch['dur']:.2f}"
        if not self._constraints:
            return [start | end]
        probabilities = [epoch[f"passing_{i}"] for i in range(len(self._constraints))]
        if every:
            rows = [
                start | {"constraint": str(i)} | self._cells(epoch, i) | end
                for i in range(len(probabilities))
            ]
            blank = dict.fromkeys([*start, *end], "")
            return [rows[0], *(row | blank for row in rows[1:])]
        worst = min(range(len(probabilities)), key=probabilities.__getitem__)
        name = {"worst": str(worst)} if len(probabilities) > 1 else {}
        joint = {"passing": f"{bonferroni(probabilities):.3f}"}
        return [start | name | self._cells(epoch, worst) | joint | end]

    def _cells(self, epoch: Mapping[str, Any], i: int) -> dict[str, str]:
        """The columns of constraint i."""
        bound = _comparison(self._constraints[i], epoch[f"predicted_bound_{i}"])
        return {
            "predicted bound": bound.rjust(15),
            "multiplier": f"{epoch[f'multiplier_{i}']:.4f}",
            "passing": f"{epoch[f'passing_{i}']:.3f}",
        }

    def _others(self, epoch: Mapping[str, Any]) -> list[str]:
        """The keys that other callbacks recorded."""
        keys = self._sorted_keys(epoch.keys())
        return [k for k in keys if k not in OWN_KEYS and not k.startswith(EACH_CONSTRAINT)]


class Heartbeat(Callback):  # type: ignore[misc]  # skorch has no types
    """Logs the progress of long epochs once per minute.

    With `verbose` it also prints it, if there is no terminal for a progress bar.
    """

    def on_epoch_begin(self, net: NeuralNet, dataset_train: Rows, **kwargs: Any) -> None:
        self._said_at, self._batch = time.monotonic(), 0
        self._n_batches = math.ceil(len(dataset_train) / net.batch_size)

    def on_batch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        self._batch += 1
        if time.monotonic() - self._said_at < SECONDS_BETWEEN_LINES:
            return
        self._said_at, line = time.monotonic(), self._line(net)
        logger.info(line)
        if net.verbose and not sys.stderr.isatty():
            _say(wrapped(line))

    def _line(self, net: NeuralNet) -> str:
        epoch, n_epochs = len(net.history), net.max_epochs
        place = f"Epoch {epoch} of {n_epochs}, batch {self._batch:,} of {self._n_batches:,}"
        if not net.steps_.steps:
            return place
        last = net.steps_.steps[-1]
        pairs = zip(net.problem.constraints, last.of_constraints[1].tolist(), strict=True)
        bounds = [(_excess(constraint, bound), constraint, bound) for constraint, bound in pairs]
        _, constraint, bound = max(bounds, key=lambda each: each[0])
        worst = constraint.source.text or constraint.source
        said = f"predicted bound {_comparison(constraint, bound)} for {worst}"
        return f"{place}: loss {last.loss:.4f}, {said}"


class TrainingBar(Callback):  # type: ignore[misc]  # skorch has no types
    """A bar over the batches of all epochs, shown if standard error is a terminal."""

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        self._bar = tqdm(
            desc="Training",
            unit="batch",
            leave=False,
            delay=SECONDS_BEFORE_BAR,
            disable=None,  # shown on terminals only
        )

    def on_epoch_begin(self, net: NeuralNet, dataset_train: Rows, **kwargs: Any) -> None:
        self._n_batches = math.ceil(len(dataset_train) / net.batch_size)
        self._bar.total = net.max_epochs * self._n_batches
        self._bar.set_description(f"Epoch {len(net.history)}/{net.max_epochs}", refresh=False)

    def on_batch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        self._bar.update()

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        self._bar.n = len(net.history) * self._n_batches  # also if an iterator leaves out batches

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        self._bar.close()


def _comparison(constraint: ResolvedConstraint, bound: float) -> str:
    """The predicted bound compared with its limit, in words."""
    units = units_of(constraint.source)
    opposite = {"<=": ">", ">=": "<"}[units.operator]
    operator = units.operator if _excess(constraint, bound) <= 0 else opposite
    return f"{bound:.4f} {operator} {units.limit:g}"


def _excess(constraint: ResolvedConstraint, bound: float) -> float:
    """How far the predicted bound is on the wrong side of its limit; infinite for NaN."""
    excess: float = units_of(constraint.source).excess(bound)
    return math.inf if math.isnan(excess) else excess


def _say(text: str) -> None:
    """Print a line, above the bar if there is one."""
    tqdm.write(text)
    sys.stdout.flush()
