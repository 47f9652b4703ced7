"""A trained net with its preprocessor: the model that is tested and that predicts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from sklearn_seldonian.certification import Statistics
from sklearn_seldonian.certification._answers import Observation
from sklearn_seldonian.certification._provenance import fingerprint
from sklearn_seldonian.constraints import Cells
from sklearn_seldonian.data._columns import without_tensor
from sklearn_seldonian.data._object_digests import lasting_digest, object_digest, type_digest
from sklearn_seldonian.data._split import LabelledRows
from sklearn_seldonian.data._targets import Labels, Targets
from sklearn_seldonian.learners._price import Price
from sklearn_seldonian.learners._protocol import Problem
from sklearn_seldonian.learners.lagrangian._batches import module_inputs, tensors_of
from sklearn_seldonian.learners.lagrangian._checkpoints import Candidate
from sklearn_seldonian.learners.lagrangian._evaluation import CandidateEvaluator
from sklearn_seldonian.learners.lagrangian._observation import observe
from sklearn_seldonian.learners.lagrangian._tasks import Task
from sklearn_seldonian.measures import RowMeasure
from sklearn_seldonian.selection import ConstrainedProblem, GroupOffsets

# The number of rows that are transformed to see whether that changes a preprocessor.
N_CHECKED = 16


@dataclass(frozen=True)
class TrainedNet:
    """A net and the preprocessor before it.

    Parameters
    ----------
    net : LagrangianNet
        The trained net.
    preprocessor : transformer or None
        The fitted preprocessor.
    targets : Labels or Numbers
    """

    net: Any
    preprocessor: Any
    targets: Targets

    @property
    def assumptions(self) -> tuple[str, ...]:
        """The assumptions of a certificate about the model, in sentences."""
        if self.group_offsets is None:
            return self.targets.assumptions
        columns = ", ".join(map(repr, self.group_offsets.columns))
        by_group = f"Decisions use the columns {columns}: each group has its own threshold."
        return (*self.targets.assumptions, by_group)

    @property
    def group_offsets(self) -> GroupOffsets | None:
        """The offsets of groups; None if decisions do not depend on groups."""
        offsets: GroupOffsets | None = self.net.adjustment_.by_group
        return offsets

    def scores(self, X: Any, cells: Cells | None = None) -> torch.Tensor:
        """The adjusted scores of rows: (n_rows, n_classes), or (n_rows, 1) for regressions.

        `cells` are those of the rows, for a model whose decisions depend on groups.
        """
        return torch.cat(list(self.net.scores(self.inputs(X), self._groups(cells))))

    def _groups(self, cells: Cells | None) -> Any:
        if self.group_offsets is None or cells is None:
            return None
        return self.group_offsets.positions(cells)

    def unknown_groups(self, cells: Cells) -> list[str]:
        """Groups of rows in these cells for which the model has no threshold, in words."""
        return [] if self.group_offsets is None else self.group_offsets.unknown(cells)

    def inputs(self, X: Any) -> Any:
        """The module's inputs. Raises if the preprocessor refuses rows."""
        return module_inputs(self.preprocessor, X)

    def observe(
        self, rows: LabelledRows, cells: Cells, measures: tuple[RowMeasure, ...]
    ) -> Observation:
        """The statistics of the model's predictions for `rows`, one batch at a time."""
        X = module_inputs(self.preprocessor, rows.X, rows.index)
        net, tensors = self.net, tensors_of(rows, X, cells.codes)
        tested = cells.stratification, measures, net.adjustment_.ends
        scores = net.scores(X, self._groups(cells))
        asked = scores, tensors, net.criterion_, net.task_, *tested
        loss, seen = observe(*asked, keep=True, units=rows.units)
        digest = self._preprocessor_digest(rows)
        prints = {"weights": self.fingerprint(), **({"preprocessor": digest} if digest else {})}
        return Observation(
            seen, loss, fingerprints=prints, assumptions=self._assumption_of_no_change(digest)
        )

    def _preprocessor_digest(self, rows: LabelledRows) -> str | None:
        """The preprocessor's digest in a certificate; None without a preprocessor."""
        if self.preprocessor is None:
            return None
        first = np.arange(len(rows.y))[:N_CHECKED] if rows.index is None else rows.index[:N_CHECKED]

        def use(preprocessor: Any) -> None:
            module_inputs(preprocessor, rows.X, first)

        return lasting_digest(self.preprocessor, use) or type_digest(self.preprocessor)

    def _assumption_of_no_change(self, digest: str | None) -> tuple[str, ...]:
        """An assumption, if changes of the preprocessor would not be noticed."""
        if digest is None or digest != type_digest(self.preprocessor):
            return ()
        name = type(self.preprocessor).__name__
        return (
            f"The fitted {name} is not changed after the test. No lasting digest of its contents "
            "can be computed, so a change would not be noticed.",
        )

    @property
    def price(self) -> Price | None:
        """The cost of choosing the model for its constraints, with the names of labels."""
        price: Price | None = self.net.price_
        if price is None or not isinstance(self.targets, Labels):
            return price
        labels = tuple(self.targets.classes.tolist())
        return replace(price, labels=labels, positive=self.targets.positive)

    def remarks(self, statistics: Statistics) -> tuple[str, ...]:
        """Behaviour of the model that its user may not expect, in sentences."""
        price = [] if self.price is None else [str(self.price)]
        return *self._remarks_on_one_label(statistics), *price

    def _remarks_on_one_label(self, statistics: Statistics) -> tuple[str, ...]:
        """A remark if all tested rows got the same label, and how that was chosen."""
        if not isinstance(self.targets, Labels) or self.targets.decision != "argmax":
            return ()
        classes = self.targets.classes.tolist()
        given = np.flatnonzero(statistics.confusion[..., : len(classes)].sum(axis=(0, 1)))
        if len(given) != 1:
            return ()
        label = classes[given[0]]
        return (
            f"The model gave every safety row the label {label!r}. {self._how_it_was_chosen()}",
        )

    def _how_it_was_chosen(self) -> str:
        """Why this epoch was kept: for its accuracy, or only as one likely to pass."""
        kept, problem = self.net.history[self.net.kept_epoch_ - 1], self.net.problem
        failing = sum(1.0 - kept[f"passing_{i}"] for i in range(len(problem.constraints)))
        if 1.0 - failing >= problem.power:
            return (
                "Among the epochs and decision thresholds predicted to pass, none had a clearly "
                "lower error on the candidate rows."
            )
        return (
            f"No epoch was predicted to pass with probability {problem.power:g}, so one was kept "
            "that is about as likely to pass as the likeliest."
        )

    def predict_test_outcome(self, problem: Problem, rows: LabelledRows) -> Candidate:
        """The predicted result of the safety test, from rows that it was not trained on."""
        rows, problem = rows.by_weight(np.random.RandomState(0)), problem.for_training()
        net, X = self.net, module_inputs(self.preprocessor, rows.X, rows.index)
        cells = problem.specification.cells(rows.columns, len(rows.y))
        tested = constrained_problem(problem, cells, net.task_)
        tensors = tensors_of(rows, X, cells.codes)
        evaluator = CandidateEvaluator(tested, tensors, net.criterion_, net.task_)
        scores = torch.cat(list(net.unadjusted_scores(X)))
        if evaluator.forecast.needs_calibration:
            evaluator.calibrate_margins(scores, net.adjustment_)
        return evaluator.predict_test_outcome(scores, net.adjustment_)

    def has_preprocessor(self, digest: str | None) -> bool:
        """Whether this `digest`, from a certificate, is that of the preprocessor."""
        if self.preprocessor is None or digest is None:
            return self.preprocessor is None and digest is None
        return digest in (type_digest(self.preprocessor), object_digest(self.preprocessor))

    def fingerprint(self) -> str:
        """A digest of the module's weights and of the adjustment of its outputs."""
        weights = map(without_tensor, self.net.module_.state_dict().values())
        digest: str = fingerprint(*weights, *self.net.task_.fingerprint_parts(self.net.adjustment_))
        return digest


def constrained_problem(problem: Problem, cells: Cells, task: Task) -> ConstrainedProblem:
    """The problem in the form that training uses, over rows in these `cells`."""
    specification = problem.specification
    return ConstrainedProblem(
        specification.constraints,
        specification.source.deltas,
        cells.stratification,
        task.n_classes,
        problem.n_safety,
        problem.power,
        deterministic=task.deterministic,
        method=specification.source.method,
        mutually_exclusive_columns=specification.mutually_exclusive_columns,
        by_group=problem.targets.by_group,
    )
