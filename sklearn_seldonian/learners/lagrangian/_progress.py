"""What training says while it runs: a table with one row an epoch, and a bar on long fits."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

from skorch.callbacks import Callback, PrintLog
from tqdm import tqdm

from sklearn_seldonian.certification import units_of
from sklearn_seldonian.constraints import ResolvedConstraint, bonferroni

# The bar shows on fits that take longer.
SECONDS_BEFORE_BAR = 3.0
OWN_KEYS = ("batches", "epoch", "loss", "dur", "kept", "candidate_loss")
KEYS_OF_CONSTRAINTS = ("estimate_", "predicted_bound_", "multiplier_", "passing_")


class Column(NamedTuple):
    """A column of the table: its head, and as many characters as its cells take."""

    head: str
    width: int = 9

    def cell(self, text: str) -> str:
        return text.rjust(max(self.width, len(self.head)))


EPOCH, LOSS, KEPT, SECONDS = (
    Column("epoch", 5),
    Column("loss"),
    Column("kept", 4),
    Column("seconds", 7),
)
BOUND, MULTIPLIER, PASSING = (
    Column("predicted bound", 18),
    Column("multiplier"),
    Column("passing", 7),
)
WORST, CONSTRAINT = Column("worst", 5), Column("constraint")


class ProgressLog(PrintLog):
    """Prints a table as skorch's `PrintLog` does, with columns for the constraints.

    With ``verbose=1`` a row an epoch tells of the constraint that is least likely to pass, and
    the predicted probability that all of them do; with more, an epoch has a row for each
    constraint. What other callbacks record has columns too.
    """

    def __init__(self):
        super().__init__(sink=_say)

    def on_train_begin(self, net, **kwargs):
        self._constraints = net.problem.constraints
        if len(self._constraints) > 1:
            for i, constraint in enumerate(self._constraints):
                self.sink(f"constraint {i}: {_text(constraint)}")
        if not all(constraint.in_units for constraint in self._constraints):
            self.sink("*: the bound is on a rewritten form of the constraint; its sign counts.")

    def on_epoch_end(self, net, **kwargs):
        rows = self._rows(net.history[-1], every=net.verbose > 1)
        if self.first_iteration_:
            self.first_iteration_ = False
            heads = [column.cell(column.head) for column in rows[0]]
            self.sink("  ".join(heads))
            self.sink("  ".join("-" * len(head) for head in heads))
        for row in rows:
            line = "  ".join(column.cell(text) for column, text in row.items())
            self.sink(line.rstrip())

    def _rows(self, epoch: Mapping[str, Any], every: bool) -> list[dict[Column, str]]:
        """The epoch's rows of the table: each column's text."""
        start = {EPOCH: str(epoch["epoch"]), LOSS: f"{epoch['loss']:.4f}"}
        end = {Column(key): self.format_row(epoch, key, "") for key in self._others(epoch)}
        if "kept" in epoch:
            end[KEPT] = "+" if epoch["kept"] else ""
        end[SECONDS] = f"{epoch['dur']:.2f}"
        if not self._constraints:
            return [start | end]
        probabilities = [epoch[f"passing_{i}"] for i in range(len(self._constraints))]
        if not every:
            worst = min(range(len(probabilities)), key=probabilities.__getitem__)
            name = {WORST: str(worst)} if len(probabilities) > 1 else {}
            joint = {PASSING: f"{bonferroni(probabilities):.3f}"}
            return [start | name | self._cells(epoch, worst) | joint | end]
        blank_start, blank_end = dict.fromkeys(start, ""), dict.fromkeys(end, "")
        return [
            (blank_start if i else start)
            | {CONSTRAINT: str(i)}
            | self._cells(epoch, i)
            | (blank_end if i else end)
            for i in range(len(probabilities))
        ]

    def _cells(self, epoch: Mapping[str, Any], i: int) -> dict[Column, str]:
        """What is said of constraint i."""
        return {
            BOUND: _comparison(self._constraints[i], epoch[f"predicted_bound_{i}"]),
            MULTIPLIER: f"{epoch[f'multiplier_{i}']:.4f}",
            PASSING: f"{epoch[f'passing_{i}']:.3f}",
        }

    def _others(self, epoch: Mapping[str, Any]) -> list[str]:
        """What other callbacks recorded."""
        return [
            key
            for key in self._sorted_keys(epoch.keys())
            if key not in OWN_KEYS and not key.startswith(KEYS_OF_CONSTRAINTS)
        ]


class TrainingBar(Callback):
    """A bar over the batches of all epochs, where standard error is a terminal."""

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        self._n_batches = math.inf
        self._bar = tqdm(
            desc="Training",
            unit="batch",
            leave=False,
            delay=SECONDS_BEFORE_BAR,
            disable=None,  # unless a terminal is there to draw on
        )

    def on_epoch_begin(self, net, dataset_train=None, **kwargs):
        self._n_batches = math.ceil(len(dataset_train) / net.batch_size)
        self._bar.total = net.max_epochs * self._n_batches
        self._bar.set_description(f"Epoch {len(net.history)}/{net.max_epochs}", refresh=False)

    def on_batch_end(self, net, training=False, **kwargs):
        self._bar.update()

    def on_epoch_end(self, net, **kwargs):
        self._bar.n = len(net.history) * self._n_batches  # whatever an iterator left out

    def on_train_end(self, net, **kwargs):
        self._bar.close()


def _comparison(constraint: ResolvedConstraint, bound: float) -> str:
    """How the predicted bound compares with its limit, in the constraint's own units."""
    if not constraint.in_units:
        return f"{bound:.4f} {'<=' if bound <= 0 else '>'} 0*"
    units = units_of(constraint.source)
    opposite = {"<=": ">", ">=": "<"}[units.operator]
    sign = units.operator if bound <= 0 else opposite
    return f"{units.value(bound):.4f} {sign} {units.limit:g}"


def _text(constraint: ResolvedConstraint) -> str:
    return constraint.source.text or str(constraint.source)


def _say(text: str) -> None:
    """Print a line, above the bar where there is one."""
    tqdm.write(text)
    sys.stdout.flush()
