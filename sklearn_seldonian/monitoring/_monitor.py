"""The monitor of a model in use."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from sklearn_seldonian._text import short, wrapped
from sklearn_seldonian.certification._requests import check_choice, warn_of_large_delta
from sklearn_seldonian.monitoring import _json
from sklearn_seldonian.monitoring._fixed import is_same, snapshot
from sklearn_seldonian.monitoring._from_certificate import parameters_of
from sklearn_seldonian.monitoring._late import (
    LATE_LABELS,
    WaitingRows,
    check_ids,
)
from sklearn_seldonian.monitoring._proofs import bounds_of, estimate_of
from sklearn_seldonian.monitoring._reports import explanation, frame_of, history_of
from sklearn_seldonian.monitoring._rows import answers_of, rows_of
from sklearn_seldonian.monitoring._specification import MonitorSpecification
from sklearn_seldonian.monitoring._state import MonitorState
from sklearn_seldonian.monitoring._windows import (
    Window,
    check_share,
    check_windows,
)

# The parameters that `MonitorSpecification.of` takes by name.
SPECIFIED = (
    "classes",
    "pos_label",
    "levels",
    "mutually_exclusive",
    "measures",
    "target_range",
    "prediction_range",
    "missing",
)


class SafetyMonitor(BaseEstimator):
    """Monitor whether the constraints of a model in use still hold.

    `update` takes rows in batches of any size. After each batch, the monitor reports for each
    constraint whether it is proved to be violated (`violated_`) or to hold (`certified_`), its
    value so far (`estimate_`), and a lower and an upper bound on it (`bounds_`). You may read these
    after every row, and stop or continue because of what you see. If the rows are independent draws
    from one population, a constraint that holds is ever reported as violated with probability at
    most delta, however long the stream is.

    Parameters
    ----------
    constraints : str, Constraint, or sequence of them
        As in the estimators: rates of decisions, their gaps and ratios, ``min(..., by=)``,
        ``abs``, and means of numbers with a finite range.
    delta : float or sequence of float, default=0.05
        The probability of error of each constraint on its own, as in certificates: one number, or
        one per constraint. The probability that a lower bound is ever wrong is at most delta, and
        the same holds for an upper bound. With k constraints, the probability that any constraint
        that holds is ever reported as violated is at most the sum of their deltas. To keep it at
        0.05, give ``delta=0.05 / k``.
    classes : sequence of labels, default=(0, 1)
        All class labels. None: numbers are predicted.
    pos_label : label, default=None
        The positive one of two classes. None: the second.
    levels : mapping of str to sequence, default=None
        The values that columns may have, such as ``{"race": ["A", "B"]}``. They are needed if a
        constraint ranges over a column, as in ``by=race``. Rows with other values are refused.
    mutually_exclusive : sequence of pairs of str, default=()
        Pairs of 0/1 columns that are never both 1, such as ``[("M", "F")]``. Constraints that
        compare such groups get tighter bounds. Rows with 1 in both columns are refused.
    measures : sequence of RowMeasure, default=()
        Measures of your own that constraints name, each with a finite range. Their `value` is
        called with None for the probabilities.
    target_range, prediction_range : pair of float, default=None
        The ranges of targets and predictions, if numbers are predicted. Rows outside are refused.
    missing : {"error", "exclude"}, default="error"
        What to do with rows that have no value in a column that constraints name. "error": refuse
        them. "exclude": such a row meets no condition on that column.
    late_labels : {"as they come", "in order"}, default="as they come"
        When a late label counts. "as they come": as soon as it arrives. This assumes that whether
        a label has arrived depends neither on labels nor on predictions. "in order": when all
        earlier rows have their labels. This assumes nothing about when labels arrive.
    windows : int or "unlimited", default=1
        The largest number of windows that `restart` can begin, including the first one. All windows
        share delta. With k windows, each has delta / k. With "unlimited", the r-th window has
        delta / (r (r + 1)).

    Attributes
    ----------
    violated_ : ndarray of bool, shape (n_constraints,)
        Whether a violation of the constraint was proved in this window. It stays True until the
        window ends.
    certified_ : ndarray of bool, shape (n_constraints,)
        Whether the rows of this window so far prove that the constraint holds. It is False once a
        violation was proved in this window, because the two proofs would contradict each other.
    estimate_ : ndarray of shape (n_constraints,)
        The value of the constraint on the rows so far, in its own units. NaN without rows.
    bounds_ : ndarray of shape (n_constraints, 2)
        The lower and the upper bound on the value in the population.
    history_ : DataFrame
        Estimates and bounds against the number of rows, in all windows, for plots.
    n_rows_ : int
        The number of rows of this window.
    n_waiting_ : int
        The number of rows that wait for their labels, or for labels of earlier rows.

    Notes
    -----
    A reported violation is evidence, at level delta, against the statement that the rows are
    independent draws from one population that satisfies the constraint. What holds if the
    population changes depends on the constraint.

    If a constraint keeps one rate or mean on one side of a limit, or between two limits, it is
    enough that it holds for each row given the earlier rows. It is then reported as violated with
    probability at most delta.

    For a gap or ratio of two groups, this probability may be above delta although the constraint
    holds at each moment. An example is a stream in which the rows of one group come early and those
    of the other late, and the rates of both have changed. The same is true of a constraint that
    keeps a mean out of an interval, such as ``abs(PR - 0.5) >= 0.2``, because the average of a rate
    that jumps over the interval can be in it.

    The state consists of counts and stays small for any number of rows. Only rows that wait for
    labels are stored. The bounds are those of `bounds.time_uniform_sum_lower`. They need more rows
    than a test that is run once, because they are valid at any time.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_seldonian.monitoring import SafetyMonitor
    >>> rng = np.random.default_rng(0)
    >>> monitor = SafetyMonitor("ACC >= 0.8")
    >>> for day in range(5):
    ...     y_true = rng.integers(2, size=300)
    ...     y_pred = np.where(rng.random(300) < 0.7, y_true, 1 - y_true)  # right 7 times in 10
    ...     monitor = monitor.update(y_pred, y_true)
    >>> monitor.violated_
    array([ True])
    >>> monitor.bounds_.round(2)
    array([[0.66, 0.74]])
    """

    # Copies of the parameters, made at the first row.
    _given: dict[str, Any]
    _state: MonitorState

    def __init__(
        self,
        constraints: Any,
        delta: Any = 0.05,
        *,
        classes: Any = (0, 1),
        pos_label: Any = None,
        levels: Any = None,
        mutually_exclusive: Any = (),
        measures: Any = (),
        target_range: Any = None,
        prediction_range: Any = None,
        missing: str = "error",
        late_labels: str = "as they come",
        windows: int | str = 1,
    ) -> None:
        self.constraints = constraints
        self.delta = delta
        self.classes = classes
        self.pos_label = pos_label
        self.levels = levels
        self.mutually_exclusive = mutually_exclusive
        self.measures = measures
        self.target_range = target_range
        self.prediction_range = prediction_range
        self.missing = missing
        self.late_labels = late_labels
        self.windows = windows

    @classmethod
    def from_certificate(cls, certificate: Any, **parameters: Any) -> SafetyMonitor:
        """A monitor of the constraints in a certificate.

        The certificate gives the constraints, the deltas, the classes and the positive class. It
        also gives the levels, the ranges and the mutually exclusive columns, as far as it has them.

        Parameters
        ----------
        certificate : SafetyCertificate
        **parameters
            Parameters of `SafetyMonitor` that replace those of the certificate, for example
            ``delta``, or ``measures``, which a certificate does not contain.

        Returns
        -------
        SafetyMonitor
            A monitor without rows. The rows of the certificate are not counted.

        Raises
        ------
        TypeError
            If it is not a certificate, or if a parameter does not exist.
        ValueError
            If it has no results, or is about groups of rows, weighted rows or shifted populations
            (``groups=``, ``sample_weight=``, ``shift=``).

        Examples
        --------
        >>> from sklearn.datasets import make_classification
        >>> from sklearn.linear_model import LogisticRegression
        >>> from sklearn_seldonian import certify
        >>> from sklearn_seldonian.monitoring import SafetyMonitor
        >>> X, y = make_classification(3000, class_sep=2.0, random_state=0)
        >>> model = LogisticRegression().fit(X[:1000], y[:1000])
        >>> certificate = certify(model, X[1000:2000], y[1000:2000], "ACC >= 0.85")
        >>> monitor = SafetyMonitor.from_certificate(certificate)
        >>> monitor.update(model.predict(X[2000:]), y[2000:]).violated_
        array([False])
        """
        return cls(**{**parameters_of(certificate), **parameters})

    # -- rows ------------------------------------------------------------------------------

    def update(
        self,
        y_pred: Any,
        y_true: Any = None,
        sensitive_features: Any = None,
        *,
        row_ids: Any = None,
    ) -> SafetyMonitor:
        """Add rows of the stream.

        Parameters
        ----------
        y_pred : array-like of shape (n_rows,)
            The model's predictions.
        y_true : array-like of shape (n_rows,), default=None
            The labels, None or NaN for labels that are not known yet. None: no label is known.
        sensitive_features : Series, DataFrame or array-like of n_rows, default=None
            The columns that constraints name.
        row_ids : sequence of int or str, default=None
            One id per row, by which `add_labels` adds late labels. Rows without a label and without
            an id count only for constraints that need no label. An id that occurs twice is refused,
            and so is the id of a row that is still waiting. Ids are not stored after a row was
            counted. If such a row is given again, it counts again.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            If the rows are not as described here. Then none of them is counted.
        """
        state = self._start()
        rows = rows_of(state.specification, y_pred, y_true, sensitive_features)
        state.add(rows, None if row_ids is None else check_ids(row_ids, len(rows.predictions)))
        return self

    def add_labels(self, row_ids: Any, y_true: Any) -> SafetyMonitor:
        """Add late labels.

        They count for the window in which their rows came.

        Parameters
        ----------
        row_ids : sequence of int or str
            The ids of the rows, as they were given to `update`.
        y_true : array-like of shape (n_rows,)
            The labels of these rows.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            If a row is not waiting for its label, or a label is missing or unknown. Then none of
            the labels is counted.
        """
        state, ids = self._start(), check_ids(row_ids)
        state.waiting.check_waiting(ids)
        labels = answers_of(state.specification, "y_true", y_true, len(ids))
        state.add_labels(ids, labels.tolist())
        return self

    def forget(self, row_ids: Any) -> SafetyMonitor:
        """Drop rows whose labels will never come.

        They stay counted in constraints that need no label. For the other constraints, this assumes
        that such rows are like the rows whose labels came.

        Parameters
        ----------
        row_ids : sequence of int or str
            The ids of the rows, as they were given to `update`.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            If a row is not waiting for its label.
        """
        state, ids = self._start(), check_ids(row_ids)
        state.waiting.check_waiting(ids)
        state.take({}, {}, frozenset(ids))
        return self

    def restart(self, name: str | None = None) -> SafetyMonitor:
        """Begin a new window. Its proofs are about the rows from now on.

        You can choose the moment by a calendar or because of what you saw, for example after an
        alarm or when the model was replaced. What was proved before is still in `to_frame`.

        Parameters
        ----------
        name : str, default=None
            The name of the new window. None: "window 2", and so on.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If `windows` allows no further window, if a window has this name already, or if the
            share of delta would be too small.
        """
        self._start().restart(name)
        return self

    def merge(self, other: SafetyMonitor) -> SafetyMonitor:
        """A monitor of the rows of both monitors, for example of two sites.

        The rows must be disjoint. The new monitor proves what all these rows prove, as if one
        monitor had taken them. It does not take over what each monitor has proved by itself. Both
        must have the same parameters, and windows with the same names. ``monitor + other`` does the
        same.

        Parameters
        ----------
        other : SafetyMonitor

        Returns
        -------
        SafetyMonitor
            A new monitor.

        Raises
        ------
        TypeError
            If `other` is not a monitor.
        ValueError
            If `other` has other parameters or other windows, if waiting rows have the same ids, or
            if both have rows of the same stream. A monitor cannot be merged with itself, with a
            copy or saved state of itself, or with a monitor that it was merged into.

        Notes
        -----
        This assumes that the rows of both sites are independent draws from one population. For a
        constraint that keeps one mean on one side of a limit, or between two limits, it is enough
        that the constraint holds at both sites. Given all earlier rows of both sites, a row changes
        one factor of the capital, and the mean of the new value is at most the old value. So the
        capital from all rows is a supermartingale, in any order of the rows.

        Consider the moments at which sites are merged. The probability that the capital reaches
        1 / delta at any of them is at most delta under two conditions. Each merge has all the rows
        of earlier merges. The number of rows of a site at a merge does not depend on rows that are
        not counted yet. If old states are merged in all combinations, these are many streams, with
        more than one chance of a false alarm. A merged monitor does not take over what was proved
        at each site. Otherwise there would be three chances of a false alarm instead of one.
        """
        if not isinstance(other, SafetyMonitor):
            raise TypeError(f"A monitor is merged with another SafetyMonitor, got {short(other)}.")
        state, other_state = self._start(), other._start()
        whole = SafetyMonitor(**self.get_params(deep=False))
        whole._given, whole._state = self._given, state.merged(other_state)
        return whole

    def __add__(self, other: Any) -> SafetyMonitor:
        return self.merge(other) if isinstance(other, SafetyMonitor) else NotImplemented

    # -- results ---------------------------------------------------------------------------

    @property
    def violated_(self) -> Any:
        return np.array([at is not None for at in self._start().last.violated_at])

    @property
    def certified_(self) -> Any:
        state = self._start()
        return np.array(state.last.certified(state.specification, state.shares[-1]))

    @property
    def estimate_(self) -> Any:
        state = self._start()
        return np.array([estimate_of(*each) for each in state.evidence(1.0)])

    @property
    def bounds_(self) -> Any:
        state = self._start()
        return np.array([bounds_of(*each) for each in state.evidence(state.shares[-1])])

    @property
    def history_(self) -> pd.DataFrame:
        """Estimates and bounds against the number of rows, for plots.

        There is one row per window, constraint and recorded moment. n_rows counts the rows of all
        windows. A moment is recorded each time that the number of rows has grown by a tenth, and at
        the end.
        """
        state = self._start()
        return history_of(state.specification, state.windows, state.shares)

    @property
    def n_rows_(self) -> int:
        return self._start().last.n_rows

    @property
    def n_waiting_(self) -> int:
        return len(self._start().waiting.rows)

    def to_frame(self) -> pd.DataFrame:
        """A table with one row per window and constraint.

        Returns
        -------
        DataFrame
            With the columns window, constraint, n_rows, estimate, lower, upper, operator, limit,
            delta (the share for this window), violated, violated_at (the number of rows of the
            window after which the violation was proved; missing if it was not) and certified.
        """
        state = self._start()
        return frame_of(state.specification, state.windows, state.shares)

    def explain(self, width: int | None = 80) -> str:
        """The results of this window in plain text.

        Parameters
        ----------
        width : int, default=80
            The most characters per line. None: lines are not broken.

        Returns
        -------
        str
            The verdicts, estimates and bounds, what they promise, and the assumptions.
        """
        state = self._start()
        arguments = self.to_frame(), self.n_waiting_, self.late_labels
        return wrapped(explanation(state.specification, state.last, *arguments), width)

    # -- a saved state ---------------------------------------------------------------------

    def to_json(self) -> str:
        """A JSON document, from which `from_json` makes the same monitor.

        It has the parameters, the counts, what was proved, and the points of plots. For the rows
        that wait for labels, it has the ids, the predictions and the conditions that hold. Measures
        of your own are only described, and you have to give them to `from_json` again. The document
        also has the random names of the monitor's streams of rows, and digests that reveal
        accidental changes.

        Returns
        -------
        str
        """
        state = self._start()
        parts = state.specification, state.windows, state.waiting.rows, state.streams
        return _json.to_text(state.parameters, *parts)

    @classmethod
    def from_json(cls, text: str, *, measures: Any = ()) -> SafetyMonitor:
        """The monitor that `to_json` wrote.

        Parameters
        ----------
        text : str
        measures : sequence of RowMeasure, default=()
            The measures of the monitor that was written.

        Returns
        -------
        SafetyMonitor

        Raises
        ------
        ValueError
            If `text` is not such a document, was changed, or has impossible counts. The message
            names the field. The digests in the document reveal accidental changes, but they are
            not a signature. Somebody who changes a document on purpose can compute new digests, and
            so remove a proof of a violation. Keep documents where only you can write.
        """
        document = _json.document_of(text)
        try:
            monitor = cls(**_json.parameters_of(document["parameters"]), measures=measures)
            state = monitor._start()
        except (TypeError, ValueError) as error:
            raise ValueError(f"The parameters of the document are invalid: {error}") from error
        specification, in_order = state.specification, state.waiting.in_order
        _json.check_measures(document["measures"], specification.measures)
        windows = _json.windows_of(document["windows"], specification)
        most, names = state.max_windows, [window.name for window in windows]
        if len(set(names)) < len(names) or (isinstance(most, int) and len(windows) > most):
            raise ValueError(f"windows must have different names, and be at most {most}.")
        waiting = _json.waiting_of(
            document["waiting"], specification, len(windows), in_order=in_order
        )
        _json.check_rows(specification, windows, waiting)
        state.streams = _json.streams_of(document["streams"], windows)
        state.windows, state.waiting = windows, WaitingRows(in_order, waiting)
        for window, share in zip(windows, state.shares, strict=True):
            window.look(specification, share)
        return monitor

    # -- inside ----------------------------------------------------------------------------

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if hasattr(self, "_state"):  # a shallow copy must not share changing state
            self._state = self._state.copied()

    def _start(self) -> MonitorState:
        """Read the parameters, once; they must not change afterwards."""
        given = self.get_params(deep=False)
        now = {name: snapshot(value) for name, value in given.items()}
        if hasattr(self, "_state"):
            changed = [name for name in now if not is_same(now[name], self._given[name])]
            if changed:
                raise ValueError(
                    f"{changed[0]} was changed after the monitor had started, but the proofs "
                    "assume that parameters are fixed before the first row. Make a new monitor."
                )
            return self._state
        asked = {name: given[name] for name in SPECIFIED}
        specification = MonitorSpecification.of(self.constraints, self.delta, **asked)
        check_choice("late_labels", self.late_labels, LATE_LABELS)
        check_share(check_windows(self.windows), 0, specification.deltas)
        warn_of_large_delta(specification.deltas)
        waiting = WaitingRows(self.late_labels == "in order")
        windows = [Window.empty("window 1", specification)]
        self._given = now
        self._state = MonitorState(specification, self.windows, waiting, windows)
        return self._state
