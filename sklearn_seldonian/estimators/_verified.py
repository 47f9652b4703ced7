"""The repetition of a test of `fit` or `certify`, to be compared with its certificate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sklearn_seldonian.certification._certifier import Origin, run_safety_test
from sklearn_seldonian.certification._from_records import bound_specification
from sklearn_seldonian.certification._rules import parameter
from sklearn_seldonian.data import _arrays, _groups
from sklearn_seldonian.data._shift import Shift, check_has_column
from sklearn_seldonian.data._split import LabelledRows
from sklearn_seldonian.data._units import units_of
from sklearn_seldonian.learners.lagrangian import TrainedNet


class _Quiet(TrainedNet):
    """A trained net without remarks on how it was chosen, which a loaded net does not know."""

    def remarks(self, statistics):
        return ()


class RepeatedTests:
    """For estimators that hold a certified model."""

    def _tested_again(self, certificate, X, y, sensitive_features, groups, sample_weight):
        """The certificate of the same test on the same rows.

        This does not count as a new test: it is not remembered, and its certificate is compared
        with the given one only.

        Parameters
        ----------
        certificate : SafetyCertificate
            The certificate of the test to repeat.
        X, y, sensitive_features, groups, sample_weight
            The rows that were tested, or all rows that `fit` was given, in the same order.
        """
        check_is_fitted(self)
        bound, shift = self._bound_by_record(certificate), self._recorded_shift(certificate)
        X, y = _arrays.as_arrays(X, y)
        of_rows = {"groups": groups, "sample_weight": sample_weight}
        _groups.check_same_order(X=X, y=y, sensitive_features=sensitive_features, **of_rows)
        check_consistent_length(X, y)
        y, learned = self._targets_.check(y, bound.source.missing)
        columns = self._columns_tested(bound, shift, X, sensitive_features, y)
        moved = None if shift is None else (shift, columns[shift.column])
        most = (
            None if groups is None else self._as_fitted(certificate, "max_group_size"),
            None if sample_weight is None else self._as_fitted(certificate, "max_weight"),
        )
        sampling = units_of(groups, sample_weight, len(y), *most, shift=moved)
        tested = self._tested_rows(certificate, len(y))
        if tested is None:
            sampling = _as_in_fit(sampling, certificate)
        else:
            X = _safe_indexing(X, tested)
            sampling = None if sampling is None else sampling.take(tested)
            columns = {name: values[tested] for name, values in columns.items()}
            y, learned = y[tested], learned[tested]
        for constraint in bound.constraints:
            _groups.check_fresh_columns(constraint.conditions, columns)
        rows = LabelledRows(self._inputs(X), y, learned, columns, X, sampling=sampling)
        model, seed = _Quiet(*vars(self._model).values()), certificate.order_seed or 0
        return run_safety_test(bound, model, rows, self._origin_again(certificate), seed)

    def _columns_tested(self, bound, shift, X, sensitive_features, y):
        """The columns that the test needs, checked."""
        source = bound.source
        wanted = source.columns | ({shift.column} if shift else set())
        columns = _groups.columns_with_label(wanted, X, sensitive_features, y, source.missing)
        missing = sorted(source.columns - set(columns))
        if missing:
            raise ValueError(
                f"The constraints name columns that were not given: {missing}. Give them in "
                "sensitive_features."
            )
        check_has_column(shift, columns)
        return columns

    def _origin_again(self, certificate):
        """The origin as far as the model knows it. Its fit is known from the certificate alone."""
        schema, name = self._targets_.schema, type(self).__name__
        names = tuple(map(str, schema["classes"]))
        positive = None if schema["positive"] is None else names[schema["positive"]]
        is_known = hasattr(self, "_split_")
        n_candidate = len(self.candidate_indices_) if is_known else certificate.n_candidate
        return Origin(certificate.procedure, {}, names, positive, n_candidate, name)

    def _bound_by_record(self, certificate):
        """The constraints of the estimator, with the deltas that they were tested at."""
        bound, record = self._bound_specification_, certificate.specification
        if bound is None and record is None:
            raise ValueError(
                "The certificate has version 1, which does not hold the meaning of its "
                "constraints, and neither does a file of save_params. Verify it with the pickled "
                "estimator."
            )
        if bound is None:
            bound = bound_specification(record, certificate, self._targets_, self.measures)
        deltas = tuple(result.delta for result in certificate.results)
        if len(deltas) != len(bound.constraints):
            raise ValueError(
                f"The certificate has {len(deltas)} constraints and the estimator "
                f"{len(bound.constraints)}, so they do not belong together. Give the estimator "
                "that the certificate is about."
            )
        return replace(bound, source=replace(bound.source, deltas=deltas))

    def _as_fitted(self, certificate, name):
        """A parameter as it was in `fit`, since it may have been changed afterwards."""
        given = parameter(certificate, name)
        return given[0] if given else getattr(self, name)

    def _recorded_shift(self, certificate):
        """The populations that the test was made for."""
        record = certificate.specification
        if self._shift_ is not None or record is None or record.shift is None:
            return self._shift_
        return Shift(record.shift.column, record.shift.levels, record.shift.low, record.shift.high)

    def _tested_rows(self, certificate, n_rows):
        """Positions of the tested rows among `n_rows`; None if all rows were tested."""
        is_of_fit = certificate.procedure.endswith(".fit") and hasattr(self, "_split_")
        if is_of_fit and n_rows != certificate.n_safety and n_rows == self._split_[0]:
            return np.asarray(self.safety_indices_)
        return None


def _as_in_fit(units, certificate):
    """The units of tested rows, with the largest unit of `fit`, which may be a candidate unit."""
    seen = certificate.statistics
    if units is None or units.largest is None or seen is None or seen.largest_unit is None:
        return units
    if not certificate.procedure.endswith(".fit") or units.largest > seen.largest_unit:
        return units
    assumptions = tuple(text for text in units.assumptions if text in certificate.assumptions)
    return replace(units, largest=seen.largest_unit, assumptions=assumptions)
