"""The safety test of a trained estimator, and the certificate that it ends in."""

from __future__ import annotations

import math

import numpy as np

from sklearn_seldonian._warnings import warn_user
from sklearn_seldonian.certification import (
    SafetyCertificate,
    _provenance,
    certify_constraint,
    exclusive_columns,
    untested,
)
from sklearn_seldonian.data import _arrays, _groups, _targets
from sklearn_seldonian.estimators import _persistence
from sklearn_seldonian.learners.lagrangian import module_inputs, tensors_of

__all__ = ["judgement", "origin_of", "safety_test"]


def judgement(estimator, candidate, safety, obstacle, order_seed, mask_given=False, share=1.0):
    """The certificate of the trained model, passed or not; None without constraints."""
    if not estimator._promise.constraints:
        return None
    origin = origin_of(estimator)
    if obstacle:
        return _untested(estimator, obstacle, len(safety.y), origin)
    return safety_test(estimator, safety, origin, order_seed, mask_given, share, candidate)


def safety_test(estimator, rows, origin, order_seed, mask_given=False, share=1.0, candidate=None):
    """Run the safety test on `rows`, which nothing was fitted to, at a share of each delta.

    `origin` is what the certificate says of where it comes from, `order_seed` what the order of
    the rows is drawn from. The `candidate` rows, where they are here, are looked at for copies.
    """
    promise = estimator._promise
    unseen = _groups.unseen_levels(promise.constraints, promise.levels, rows.columns)
    if unseen:
        obstacle = f"the tested rows have {unseen}, which no candidate row has"
        return _untested(estimator, obstacle, len(rows.y), origin)
    X = module_inputs(estimator.preprocessor_, rows.X, rows.index)
    cells = promise.cells(rows.columns, len(rows.y))
    exclusive = promise.exclusive & exclusive_columns(cells.families)
    loss, seen = estimator.net_.observe(tensors_of(rows, X, cells.codes), cells.families)
    statistics = seen.in_drawn_order(order_seed)
    return SafetyCertificate(
        results=tuple(
            certify_constraint(constraint, statistics, share * delta, promise.bound, exclusive)
            for constraint, delta in promise.parts
        ),
        loss=loss,
        n_candidate=len(estimator.candidate_indices_),
        n_safety=len(rows.y),
        assumptions=_provenance.assumptions(
            (*estimator._assumptions(), *_groups.levels_in_words(promise.levels, "candidate")),
            exclusive,
            mask_given,
        ),
        remarks=(*estimator._remarks(statistics), *_remarks_on_copies(candidate, rows)),
        **origin,
        fingerprints={
            **_provenance.row_fingerprints(
                rows.X,
                rows.y,
                {name: rows.columns[name] for name in sorted(promise.columns)},
                rows.index,
            ),
            "weights": _persistence.fingerprint(estimator.net_),
        },
        order_seed=statistics.order_seed,
    )


def _untested(estimator, obstacle, n_rows, origin):
    return SafetyCertificate(
        results=tuple(
            untested(constraint, delta, obstacle) for constraint, delta in estimator._promise.parts
        ),
        loss=math.nan,
        n_candidate=len(estimator.candidate_indices_),
        n_safety=n_rows,
        **origin,
    )


def origin_of(estimator, certificate=None):
    """What a certificate says of where it comes from: `fit`, or a test of fresh rows.

    The latter repeats what the `certificate` of `fit` says, since parameters may have been set.
    """
    if certificate is not None:
        return {
            "procedure": f"{type(estimator).__name__}.certify",
            "parameters": certificate.parameters,
            "classes": certificate.classes,
            "positive": certificate.positive,
            "versions": _provenance.versions(),
        }
    classes = getattr(estimator, "classes_", np.array([])).tolist()
    positive = _targets.positive_class(classes, estimator.pos_label) if classes else None
    return {
        "procedure": f"{type(estimator).__name__}.fit",
        "parameters": _provenance.as_written(estimator.get_params(deep=False)),
        **_provenance.labels_in_words(classes, positive),
        "versions": _provenance.versions(),
    }


def _remarks_on_copies(candidate, tested):
    """What is said of tested rows that copy candidate rows, warned of as well."""
    remark = candidate and _arrays.remark_on_copies(candidate, tested)
    if remark:
        warn_user(remark)
    return (remark,) if remark else ()
