"""Prediction of a model's safety test, and a search for decisions that would pass it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sklearn_seldonian.certification import ScoreEnds, Statistics
from sklearn_seldonian.constraints import HAS_LABEL, Cells, Stratification
from sklearn_seldonian.learners._price import Outcome
from sklearn_seldonian.learners.lagrangian._batches import Rows
from sklearn_seldonian.learners.lagrangian._checkpoints import Candidate, RowErrors
from sklearn_seldonian.learners.lagrangian._observation import observe, truth_table
from sklearn_seldonian.learners.lagrangian._outputs import (
    UNADJUSTED,
    Adjustment,
    class_weights,
    clipped,
)
from sklearn_seldonian.learners.lagrangian._tasks import Task, summarised
from sklearn_seldonian.selection import (
    MARGIN,
    ClassShifts,
    ConstrainedProblem,
    GroupDecisions,
    GroupOffsets,
    SelectionKey,
    ShiftedDecisions,
    averaged,
    class_shifts,
    forecast_for,
    group_shifts,
    position_of_best,
    selection_key,
)

Array = NDArray[np.float64]

# The numbers of offsets of a class that are tried first, and then near the best of them. If few
# rows may get a class, the accuracy depends on thousandths of the rows.
N_OFFSETS, N_FINER = 32, 32
# A constant prediction moves as much of the other classes' shares to one class as is needed to
# pass, found with this precision, plus this much more, which leaves room for the model.
SHARE_STEP = 0.01
SPARE_SHARES = (0.02, 0.06, 0.15)
# The number of halvings in the search for how far probabilities must shrink.
SHRINKAGE_STEPS = 5
# The approximate number of epochs after which adjustments are searched for that take several
# passes. Offsets of groups take one pass per group and are searched for after fewer epochs.
SEARCHED_EPOCHS = 100
# The number of samples of candidate rows that margins are calibrated on, and the largest size of a
# sample. One sample is enough for bounds from counts, which vary little.
N_SAMPLES = 3
MAX_CALIBRATION_ROWS = 20_000


class CandidateEvaluator:
    """Predicts the safety test of a model from candidate rows.

    It also searches for adjustments of the scores with which the model may pass. If the decision is
    the class with the largest score, adjustments are offsets of one class. If decisions are drawn,
    adjustments bring the probabilities nearer to the shares of the classes.

    Parameters
    ----------
    problem : ConstrainedProblem
    rows : Rows
        Candidate rows to evaluate models on.
    criterion : torch.nn.Module
    task : Task
        The meaning of the scores.
    resampled : Rows, default=None
        The rows of the primary loss, if these are not `rows`. Wrong decisions are then weighted so
        that the classes have the same shares as among these rows.

    Attributes
    ----------
    forecast : Forecast
    """

    def __init__(
        self,
        problem: ConstrainedProblem,
        rows: Rows,
        criterion: nn.Module,
        task: Task,
        resampled: Rows | None = None,
    ) -> None:
        self.problem, self.rows, self.criterion, self.task = problem, rows, criterion, task
        n_classes = problem.shape[1]
        self._class_weights = class_weights(criterion, n_classes)
        self._labels = task.labels(rows.y).cpu().numpy()
        self._y, self._codes = rows.y.cpu().numpy(), rows.cells.cpu().numpy()
        self._labelled: torch.Tensor | slice = slice(None)
        self._labelled_cells: NDArray[np.intp] | slice = slice(None)
        if rows.has_label is not None:
            self._labelled = rows.has_label.nonzero()[:, 0]
            self._labelled_cells = _cells_with_label(problem.stratification)
        truth = truth_table(problem, task, rows)
        self.forecast = forecast_for(problem, truth, by_counts=rows.units is None)
        counts = np.bincount(task.labels(rows.labelled.y).cpu().numpy(), minlength=n_classes) + 1.0
        self._log_shares = np.log(counts / counts.sum())
        self._targets: list[Array] | None = None
        if resampled is not None:
            drawn = np.bincount(task.labels(resampled.y).cpu().numpy(), minlength=n_classes)
            self._class_weights = self._class_weights * drawn / counts
        self._row_weights = np.zeros(len(self._labels))
        known = self.labelled.numpy()
        self._row_weights[known] = self._class_weights[self._labels[known]]

    def epochs_per_search(self, n_epochs: int) -> int:
        """One epoch out of this many is `searched`."""
        if self.problem.deterministic and not self.problem.by_group:
            return 1
        n_passes = len(self.problem.stratification.cell_of_code) if self.problem.by_group else 1
        return max(1, n_epochs * n_passes // SEARCHED_EPOCHS)

    def best(self, scores: torch.Tensor, searched: bool = True) -> Candidate:
        """The best decisions of a model with these `scores` of the rows.

        If not `searched`, two searches are left out: for probabilities that pass, if decisions are
        drawn, and for the offsets of groups.
        """
        if self.problem.deterministic:
            best = self._best_shift(scores, True)
            return self._best_by_group(scores, best, searched) if self.problem.by_group else best
        if bool(torch.log_softmax(scores, dim=1).isnan().any()):
            return self._seen(scores, UNADJUSTED)
        unshrunk = self._seen(scores, clipped(scores))
        if not searched or not np.isfinite(unshrunk.loss):
            return unshrunk
        return self._shrunk(scores, unshrunk)

    def costs(
        self, scores: torch.Tensor, adjustment: Adjustment, parts: Sequence[torch.Tensor]
    ) -> list[float]:
        """The costs of a model with these `scores` and this `adjustment` on parts of the rows.

        A cost is the share of wrong decisions, or otherwise the primary loss. Each part has the
        positions of some rows, which must be `labelled`.
        """
        adjusted = self._adjusted(scores, adjustment)
        if self._has_errors:
            errors, weights = self._row_errors(adjusted), self._row_weights
            shares = [weights[at].sum() / weights.sum() for at in parts]
            return [float(errors[at].sum() / own) for at, own in zip(parts, shares, strict=True)]
        rows = [at.to(self.rows.y.device) for at in parts]
        return [self.task.loss(self.criterion, adjusted[at], self.rows.y[at]).item() for at in rows]

    def _both_errors(self, scores: torch.Tensor, adjusted: torch.Tensor) -> RowErrors | None:
        if not self._has_errors:
            return None
        return RowErrors(self._row_errors(adjusted), self._row_errors(scores))

    def _row_errors(self, scores: torch.Tensor) -> Array:
        """The part of the error that is due to each row."""
        wrong = scores.argmax(dim=1).cpu().numpy() != self._labels
        return np.asarray(self._row_weights * wrong / self._row_weights.sum())

    @property
    def labelled(self) -> torch.Tensor:
        """The positions of the rows that have a label."""
        known = self._labelled
        return torch.arange(len(self.rows)) if isinstance(known, slice) else known.cpu()

    @property
    def cost_in_words(self) -> str:
        """The meaning of `costs`, in words."""
        return "error" if self._has_errors else "loss"

    @property
    def _has_errors(self) -> bool:
        """Whether the model predicts classes that are not drawn."""
        return self.problem.deterministic and self.problem.shape[1] > 1

    def predict_test_outcome(self, scores: torch.Tensor, adjustment: Adjustment) -> Candidate:
        """The prediction for a model with these `scores` of the rows and this `adjustment`."""
        if self.problem.deterministic:
            return self._best_shift(adjustment.moved(scores, self._groups(adjustment)), False)
        return self._seen(scores, adjustment)

    def calibrate_margins(self, scores: torch.Tensor, adjustment: Adjustment) -> None:
        """Run the safety test on samples of the rows, and use its bounds' widths from now on."""
        samples = self._samples(self._adjusted(scores, adjustment), adjustment.ends)
        constant = []
        if not self.problem.deterministic:
            constant = self._samples(scores.new_tensor(self._log_shares).expand_as(scores))
        self.forecast, self._targets = self.forecast.calibrated_on(samples, constant), None

    def _samples(self, scores: torch.Tensor, ends: ScoreEnds | None = None) -> list[Statistics]:
        """Samples of the rows, of the size of the safety data, with scores between these `ends`."""
        problem = self.problem
        n_rows = min(problem.n_safety, MAX_CALIBRATION_ROWS)
        n_samples = 1 if problem.deterministic and not problem.values else N_SAMPLES
        rng, cells = np.random.default_rng(0), (problem.stratification, problem.values)
        samples = []
        for _ in range(n_samples):
            drawn, units = rng.integers(len(scores), size=n_rows), None
            if self.rows.units is not None:
                drawn, units = self.rows.units.drawn(n_rows, rng)
            rows = scores[drawn], self._y[drawn], self._codes[drawn]
            sample = summarised(self.task, *rows, *cells, keep=True, units=units)
            samples.append(replace(sample, ends=ends).in_drawn_order(0))
        return samples

    def _seen(self, scores: torch.Tensor, adjustment: Adjustment) -> Candidate:
        """The prediction for a model with this adjustment."""
        problem, batches = self.problem, [self._adjusted(scores, adjustment)]
        cells = problem.stratification, problem.values
        ends = adjustment.ends
        loss, seen = observe(batches, self.rows, self.criterion, self.task, *cells, ends)
        means = problem.linearisation.means(seen.confusion)
        error, outcome = float(self._errors(seen.confusion)), self._outcome(seen.confusion, loss)
        prediction, choices = self.forecast.predict(seen), self.forecast.choices(seen)
        results = loss, adjustment, outcome, outcome, choices, self._both_errors(scores, *batches)
        return Candidate(means, prediction, error, *results)

    def _adjusted(self, scores: torch.Tensor, adjustment: Adjustment) -> torch.Tensor:
        """The adjusted scores of the rows."""
        return adjustment.apply(scores, self._groups(adjustment))

    def _groups(self, adjustment: Adjustment) -> NDArray[np.intp] | None:
        """The group of each row, if adjustments differ by group."""
        if adjustment.by_group is None:
            return None
        return adjustment.by_group.positions(Cells(self._codes, self.problem.stratification))

    def _errors(self, tables: Array) -> Array:
        """Weighted shares of wrong decisions; zero if decisions are drawn."""
        if not self.problem.deterministic:
            return np.zeros(tables.shape[:-3])
        k = self.problem.shape[1]
        table = tables[..., self._labelled_cells, :, :k]
        confusion = table.sum(axis=-3) * self._class_weights[:, None]
        right = np.trace(confusion, axis1=-2, axis2=-1)
        with np.errstate(invalid="ignore"):  # possibly no row has finite scores
            return np.asarray(1.0 - right / confusion.sum(axis=(-2, -1)))

    def _outcome(self, table: Array, loss: float) -> Outcome:
        """The results of decisions with this table of rows."""
        n_classes = self.problem.shape[1]
        if n_classes == 1:
            return Outcome("loss", loss)
        decided = table[self._labelled_cells, :, :n_classes].sum(axis=(0, 1))
        with np.errstate(invalid="ignore"):
            shares = tuple((decided / decided.sum()).tolist())
        if not self.problem.deterministic:
            return Outcome("loss", loss, shares)
        weighted = bool(np.ptp(self._class_weights))
        measure = "weighted accuracy" if weighted else "accuracy"
        return Outcome(measure, 1.0 - float(self._errors(table)), shares)

    def _best_shift(self, scores: torch.Tensor, adjusted: bool) -> Candidate:
        """The same model with the best of all offsets, or without offset if not `adjusted`."""
        if not self._has_offsets(scores):
            return self._seen(scores, UNADJUSTED)
        shifted = [
            self._with_best(shifts, scores, adjusted)
            for shifts in class_shifts(*self._rows_by(scores))
        ]
        return max(shifted, key=lambda candidate: candidate.selection_key(self.problem.power))

    def _has_offsets(self, scores: torch.Tensor) -> bool:
        # A regression has no classes. Row measures would have to be computed again per offset.
        can_have = self.problem.shape[1] > 1 and not self.problem.values
        return can_have and bool(torch.isfinite(scores).all())

    def _rows_by(self, scores: torch.Tensor) -> tuple[Array, Any, Any, Stratification, int]:
        """The rows in the form that `class_shifts` takes."""
        values = scores.cpu().double().numpy()
        return values, self._labels, self._codes, self.problem.stratification, N_OFFSETS

    def _best_by_group(self, scores: torch.Tensor, common: Candidate, searched: bool) -> Candidate:
        """The same model with the best offsets of groups, or with the `common` ones for all."""
        problem, found = self.problem, list[Candidate]()
        offsets = common.adjustment.offset_of_each(problem.shape[1])
        if not searched or not self._has_offsets(scores):
            n_groups = len(problem.stratification.cell_of_code)
            shared = GroupOffsets.of(problem.stratification, np.tile(offsets, (n_groups, 1)))
            return common._replace(adjustment=Adjustment(1.0, (), by_group=shared))
        for shifts in group_shifts(*self._rows_by(scores)):
            best = shifts.best(float(offsets[shifts.class_position]), self._choose)
            found.append(self._candidate(best, common.unadjusted, scores))
        return max(found, key=lambda candidate: candidate.selection_key(problem.power))

    def _choose(self, decisions: GroupDecisions) -> tuple[int, SelectionKey]:
        """The position of the best decisions and their key; among equal ones, the least moved.

        Errors are smoothed, because among many decisions some have few errors by chance.
        """
        errors, scores = self._errors(decisions.smoothed), self._feasibility_scores(decisions)
        best = position_of_best(scores, errors, decisions.moved, self.problem.power)
        return best, selection_key(scores[best], errors[best], 0.0, self.problem.power)

    def _with_best(self, shifts: ClassShifts, scores: torch.Tensor, adjusted: bool) -> Candidate:
        """The model with the best offset of one class, or without offset if not `adjusted`."""
        decisions = shifts.decisions
        best = int(np.flatnonzero(decisions.offsets == 0)[0])
        unmoved = decisions.tables[best]
        if adjusted:
            best = self._best(decisions, unmoved)
            if decisions.offsets[best] != 0:
                decisions = shifts.near(best, N_FINER)
                best = self._best(decisions, unmoved)
        return self._candidate(decisions.at(best), self._outcome(unmoved, np.nan), scores)

    def _candidate(
        self,
        chosen: ShiftedDecisions | GroupDecisions,
        unadjusted: Outcome,
        scores: torch.Tensor,
    ) -> Candidate:
        """The prediction for the model with these decisions."""
        problem = self.problem
        seen = self._as_seen(chosen.smoothed), chosen.weight
        prediction, choices = self.forecast.predict(*seen), self.forecast.choices(*seen)
        adjustment = _offset(chosen, problem)
        adjusted = self._adjusted(scores, adjustment)
        known = self._labelled
        loss = self.task.loss(self.criterion, adjusted[known], self.rows.y[known]).item()
        means = problem.linearisation.means(chosen.tables)
        outcome, error = self._outcome(chosen.tables, loss), float(self._errors(chosen.tables))
        results = (
            loss,
            adjustment,
            outcome,
            unadjusted,
            choices,
            self._both_errors(scores, adjusted),
        )
        return Candidate(means, prediction, error, *results)

    def _best(self, decisions: ShiftedDecisions, unmoved: Array) -> int:
        """The position of the best offset; among equal ones, of the smallest.

        The errors of neighbouring offsets are averaged, because among many offsets some have few
        errors by chance. A larger offset must be better by some standard errors. `unmoved` is the
        table without offset.
        """
        standard_errors = self._standard_errors(decisions, unmoved)
        errors = averaged(self._errors(decisions.tables)) + MARGIN * standard_errors
        scores, distances = self._feasibility_scores(decisions), np.abs(decisions.offsets)
        return position_of_best(scores, errors, distances, self.problem.power)

    def _standard_errors(self, decisions: ShiftedDecisions, unmoved: Array) -> Array:
        """The standard errors of the errors' differences from the error without offset."""
        n_classes, k = self.problem.shape[1], decisions.class_position
        before = unmoved[self._labelled_cells, :, :n_classes].sum(axis=0)
        of_class = decisions.tables[..., k][:, self._labelled_cells].sum(axis=1)
        weights, of_label = self._class_weights, before.sum(axis=1)
        changed = np.abs(of_class - before[:, k]) / before.sum()
        mean_weight = of_label @ weights / of_label.sum()
        return np.asarray(np.sqrt(changed @ weights**2 / len(self.labelled)) / mean_weight)

    def _feasibility_scores(self, decisions: ShiftedDecisions | GroupDecisions) -> Array:
        seen = self._as_seen(decisions.smoothed)
        return self.forecast.feasibility_scores(seen, decisions.weight)

    def _as_seen(self, tables: Array) -> Statistics:
        """The statistics of rows with these tables, which may have leading axes."""
        return Statistics(tables, self.problem.stratification, deterministic=True)

    def _shrunk(self, scores: torch.Tensor, unshrunk: Candidate) -> Candidate:
        """The same model with the probabilities nearest to its own that are predicted to pass.

        The scores are mixed with those of a constant prediction that passes, which shrinks both
        the gaps between groups and the spread of probabilities. If no constant prediction passes,
        nothing is changed.
        """
        power = self.problem.power
        if unshrunk.prediction.feasibility_score >= power:
            return unshrunk
        candidates, full = [unshrunk], unshrunk.adjustment
        for target in self._passing_targets(scores):
            passing, failing = 0.0, 1.0
            candidates.append(self._mixed(scores, full, target, passing))
            for _ in range(SHRINKAGE_STEPS):
                middle = (passing + failing) / 2.0
                candidate = self._mixed(scores, full, target, middle)
                if candidate.prediction.feasibility_score >= power:
                    passing = middle
                    candidates.append(candidate)
                else:
                    failing = middle
        best = max(candidates, key=lambda candidate: candidate.selection_key(power))
        return best._replace(unadjusted=unshrunk.outcome)

    def _mixed(
        self, scores: torch.Tensor, full: Adjustment, target: Array, scale: float
    ) -> Candidate:
        """The prediction with scores that are clipped by `full` and mixed with the `target`."""
        offsets = tuple(((1.0 - scale) * target).tolist())
        return self._seen(scores, full._replace(scale=scale, offsets=offsets))

    def _passing_targets(self, scores: torch.Tensor) -> list[Array]:
        """Log-probabilities of constant predictions that pass: the classes' shares, or others.

        The others move a share of every class to one class. They depend on the forecast alone,
        which changes when margins are calibrated.
        """
        if self._targets is None:
            shares = np.exp(self._log_shares)
            if self._passes(shares, scores):
                self._targets = [self._log_shares]
            else:
                moved = [self._moved(shares, one, scores) for one in np.eye(len(shares))]
                self._targets = [np.log(target) for targets in moved for target in targets]
        return self._targets

    def _moved(self, shares: Array, one: Array, scores: torch.Tensor) -> list[Array]:
        """Constant predictions between the `shares` and the class `one` that pass by a little."""

        def at(moved: float) -> Array:
            return (1.0 - moved) * shares + moved * one

        failing, passing = 0.0, 1.0 - SHARE_STEP
        if not self._passes(at(passing), scores):
            return []
        while passing - failing > SHARE_STEP:
            middle = (passing + failing) / 2.0
            if self._passes(at(middle), scores):
                passing = middle
            else:
                failing = middle
        return [at(min(passing + spare, 1.0 - SHARE_STEP)) for spare in SPARE_SHARES]

    def _passes(self, constant: Array, scores: torch.Tensor) -> bool:
        """Whether these probabilities, the same for every row, are predicted to pass."""
        candidate = self._mixed(scores, clipped(scores), np.log(constant), 0.0)
        return bool(candidate.prediction.feasibility_score >= self.problem.power)


def _cells_with_label(stratification: Stratification) -> NDArray[np.intp]:
    """Positions of the cells whose rows have a label, in one family of columns."""
    family = stratification.family_of((HAS_LABEL,))
    inside = stratification.inside((HAS_LABEL,), family)
    return np.asarray(np.flatnonzero(inside) + stratification.spans[family].start)


def _offset(
    decisions: ShiftedDecisions | GroupDecisions, problem: ConstrainedProblem
) -> Adjustment:
    """The offset or the group offsets of one class in `decisions`, as an adjustment of scores."""
    of_class = np.eye(problem.shape[1])[decisions.class_position]
    offsets = np.multiply.outer(decisions.offsets, of_class) + 0.0  # makes negative zeros positive
    if isinstance(decisions, GroupDecisions):
        by_group = GroupOffsets.of(problem.stratification, offsets)
        return Adjustment(1.0, (), by_group=by_group)
    return Adjustment(1.0, tuple(offsets.tolist())) if decisions.offsets else UNADJUSTED
