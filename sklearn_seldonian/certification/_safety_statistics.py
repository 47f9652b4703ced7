"""Statistics of parts of the safety rows, which add up to the statistics of all."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sklearn_seldonian._keywords import refuse_unknown_keywords
from sklearn_seldonian.certification import _requests
from sklearn_seldonian.certification._certificate import SafetyCertificate
from sklearn_seldonian.certification._certifier import (
    Origin,
    certificate_of_statistics,
    untested_certificate,
)
from sklearn_seldonian.certification._certify_parameters import CertifyParameters
from sklearn_seldonian.certification._evidence import exclusive_columns
from sklearn_seldonian.certification._levels import levels_elsewhere, unrecorded
from sklearn_seldonian.certification._merging import merged, with_ordered_codes, without_rows
from sklearn_seldonian.certification._provenance import fingerprints_of, other_rows, row_sums
from sklearn_seldonian.certification._specification import BoundSpecification, Specification
from sklearn_seldonian.certification._statistics import Statistics
from sklearn_seldonian.constraints import (
    SeenLevels,
    distinct_conditions,
    distinct_estimands,
    distinct_values,
    literals_of,
)
from sklearn_seldonian.data import _arguments, _groups
from sklearn_seldonian.data._arrays import as_arrays
from sklearn_seldonian.data._digests import RowSum
from sklearn_seldonian.data._row_sketch import Sighting, rows_of_predictions
from sklearn_seldonian.data._split import LabelledRows
from sklearn_seldonian.data._targets import Targets

# The largest memory for the kept rows of one test.
MAX_KEPT_BYTES = 2**29
# Methods whose tests need sums only.
OF_SUMS = ("asymptotic", "ttest")


@dataclass(frozen=True, eq=False, repr=False)
class SafetyStatistics:
    """Everything that a certificate needs from some rows; add the parts with ``+`` or `sum`.

    Use `collect` to create it. It contains counts, sums and digests. If a test uses rows one after
    another, it also contains one or more numbers per row. This is so with ``decision="sample"``,
    for ``Brier``, ``Calibration_Error`` and regression errors, and for your own measures, unless
    the method is "asymptotic" or "ttest". The parts must be of disjoint rows.
    """

    specification: Specification
    targets: Targets
    measures: Any
    origin: Origin
    model: str | None
    of_the_model: tuple[str, ...]
    levels: SeenLevels
    statistics: Statistics
    sums: Mapping[str, RowSum]
    unrecorded: Mapping[str, int]
    sightings: Mapping[str, Sighting]

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return self.sums["data"].n_rows

    def __repr__(self) -> str:
        return f"<SafetyStatistics of {self.n_rows:,} rows>"

    def __add__(self, other: SafetyStatistics) -> SafetyStatistics:
        """The statistics of both sets of rows.

        Raises
        ------
        ValueError
            If the parts are of different models or constraints, if their rows have different
            columns, or if more rows would have to be kept than memory allows.
        """
        if not isinstance(other, SafetyStatistics):
            return NotImplemented
        self._check_same_test(other)
        levels = self.levels.joined(other.levels, self.specification.constraints)
        statistics = merged(self.statistics, other.statistics)
        check_kept(statistics)
        return dataclasses.replace(
            self,
            levels=levels,
            statistics=statistics,
            sums={name: own + other.sums[name] for name, own in self.sums.items()},
            unrecorded=dict(Counter(self.unrecorded) + Counter(other.unrecorded)),
            sightings=_both(self, other),
        )

    def __radd__(self, other: Any) -> SafetyStatistics:
        """The sum with 0, with which `sum` begins."""
        return self if other == 0 else NotImplemented

    def _check_same_test(self, other: SafetyStatistics) -> None:
        pairs = {
            "constraints": (self.specification, other.specification),
            "parameters": (self.origin, other.origin),
            "estimator": (self.model, other.model),
            "assumptions": (self.of_the_model, other.of_the_model),
        }
        differing = [name for name, (one, two) in pairs.items() if one != two]
        if differing:
            raise ValueError(
                f"Statistics of different tests cannot be added: they differ in {differing[0]}. "
                "Collect all parts with the same estimator and the same parameters."
            )

    @refuse_unknown_keywords
    def certify(self, *, random_state: Any = None) -> SafetyCertificate:
        """The certificate that follows from these statistics.

        Parameters
        ----------
        random_state : int, RandomState or None, default=None
            As in `sklearn_seldonian.certify`.

        Returns
        -------
        SafetyCertificate
            The certificate that `sklearn_seldonian.certify` gives for the same rows in memory.

        Raises
        ------
        ValueError
            If constraints name a column or level that no row has.
        """
        _requests.warn_of_large_delta(self.specification.deltas)
        return self.certificate(_requests.order_seed(random_state))

    def certificate(self, order_seed: int, share: float = 1.0) -> SafetyCertificate:
        """The certificate at a `share` of each delta, with the rows in the order of the seed."""
        bound = self._bound
        columns = sorted(self.specification.columns)
        conditions = distinct_conditions(distinct_estimands(bound.constraints))
        statistics = with_ordered_codes(self.statistics, conditions)
        certificate = certificate_of_statistics(
            bound,
            statistics.in_drawn_order(order_seed),
            self.origin,
            share=share,
            of_the_model=self.of_the_model,
            unrecorded_values=self.unrecorded,
            bound_by="tested",
            loss=float("nan"),
            n_safety=self.n_rows,
            fingerprints=fingerprints_of(self.sums, columns),
        )
        _requests.check_ranges(bound, self.targets.range_remedy)
        sightings = list(self.sightings.values())
        assumptions = (*certificate.assumptions, other_rows(sightings))
        return dataclasses.replace(certificate, assumptions=assumptions)

    def untested(self, reason: str) -> SafetyCertificate:
        """The certificate without a test, with the reason."""
        return untested_certificate(self._bound, reason, self.n_rows, self.origin)

    @property
    def _bound(self) -> BoundSpecification:
        """The constraints with the meaning that these rows give them."""
        constraints = self.specification.constraints
        elsewhere = levels_elsewhere(constraints, self.levels)
        bound = self.specification.bound_by(self.levels, self.targets, self.measures, elsewhere)
        mutually_exclusive_columns = exclusive_columns(self.statistics.stratification)
        return dataclasses.replace(bound, mutually_exclusive_columns=mutually_exclusive_columns)


class Collector:
    """Collects the statistics of parts of the rows, one after another.

    The meaning of the constraints is computed again only if a part has new levels.
    """

    def __init__(self, parameters: CertifyParameters):
        self.parameters = parameters
        self._levels: SeenLevels | None = None
        self._bound: BoundSpecification | None = None

    def collect(self, X: Any, y: Any, sensitive_features: Any) -> SafetyStatistics:
        """The statistics of one part."""
        parameters, specification = self.parameters, self.parameters.specification
        answers = parameters.answers(sensitive_features)
        targets = answers.targets
        rows = labelled_rows(specification, targets, X, y, sensitive_features)
        levels = SeenLevels.of(rows.columns, specification.constraints)
        bound = self._bound_by(levels, targets)
        cells = bound.cells(rows.columns, len(rows.y))
        values = distinct_values(distinct_estimands(bound.constraints))
        with rows_of_predictions() as sightings:
            seen = answers.observe(rows, cells, values)
        columns = {name: rows.columns[name] for name in sorted(specification.columns)}
        needs_rows = seen.statistics.needs_rows and parameters.method not in OF_SUMS
        statistics = seen.statistics if needs_rows else without_rows(seen.statistics)
        check_kept(statistics)
        return SafetyStatistics(
            specification=specification,
            targets=targets,
            measures=parameters.measures,
            origin=parameters.origin(targets),
            model=parameters.model,
            of_the_model=(*answers.assumptions, *seen.assumptions),
            levels=levels,
            statistics=statistics,
            sums=row_sums(rows.inputs(), rows.y, columns, **seen.answers),
            unrecorded=unrecorded(rows.columns, columns),
            sightings=_by_name(sightings),
        )

    def _bound_by(self, levels: SeenLevels, targets: Targets) -> BoundSpecification:
        """The constraints with the meaning that these and earlier levels give them."""
        specification = self.parameters.specification
        constraints = specification.constraints
        known = levels if self._levels is None else self._levels.joined(levels, constraints)
        if self._bound is None or known != self._levels:
            elsewhere = literals_of(constraints)
            bound = specification.bound_by(known, targets, self.parameters.measures, elsewhere)
            self._levels, self._bound = known, bound
        return self._bound


def labelled_rows(
    specification: Specification,
    targets: Targets,
    X: Any,
    y: Any,
    sensitive_features: Any,
    more: Iterable[str] = (),
) -> LabelledRows:
    """Labelled rows with the columns that a specification names, and `more`."""
    _, y = as_arrays(None, y)
    n_rows = _arguments.check_same_length(X=X, y=y)
    _groups.check_same_order(X=X, y=y, sensitive_features=sensitive_features)
    missing = specification.missing
    y, positions = targets.check(_arguments.one_value_a_row("y", y, n_rows), missing)
    wanted = specification.columns.union(more)
    columns = _groups.columns_with_label(wanted, X, sensitive_features, y, missing)
    return LabelledRows(X, y, positions, columns, X)


def check_kept(statistics: Statistics) -> None:
    """Refuse to keep more rows than memory allows.

    Raises
    ------
    ValueError
        If the kept rows need too much memory. The message says what to do instead.
    """
    if statistics.kept is None:
        return
    n_bytes, n_rows = sum(part.nbytes for part in statistics.kept), len(statistics.kept.codes)
    if n_bytes > MAX_KEPT_BYTES:
        most = MAX_KEPT_BYTES * n_rows // n_bytes
        raise ValueError(
            f"{n_rows:,} rows are too many for this test, which keeps them in memory: it uses them "
            'one after another, because of decision="sample", errors or measures of your own. '
            f"Draw at most {most:,} of the rows at random and test these, or use "
            'method="asymptotic", which needs sums only.'
        )


# -- models that predict, and rows that they were fitted to ----------------------------------------


def _by_name(sightings: Sequence[Sighting]) -> dict[str, Sighting]:
    """One sighting per model, with the largest share, or None if it is not known."""
    found: dict[str, Sighting] = {}
    for sighting in sightings:
        known = found.get(sighting.name)
        if known is None or (sighting.share or 0) > (known.share or 0):
            found[sighting.name] = sighting
    return found


def _both(one: SafetyStatistics, other: SafetyStatistics) -> dict[str, Sighting]:
    """The sightings of two sets of rows."""
    total = one.n_rows + other.n_rows
    found = {}
    for name in {**one.sightings, **other.sightings}:
        shares = [
            (part.n_rows / total, part.sightings[name].share)
            for part in (one, other)
            if name in part.sightings
        ]
        known = [weight * share for weight, share in shares if share is not None]
        found[name] = Sighting(name, sum(known) if known else None)
    return found
