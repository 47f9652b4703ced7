"""The verdict on the outcome of training."""

from __future__ import annotations

import dataclasses

from sklearn_seldonian._warnings import warn_user
from sklearn_seldonian.certification import SafetyCertificate
from sklearn_seldonian.certification._certifier import (
    Origin,
    run_safety_test,
    untested_certificate,
)
from sklearn_seldonian.data._copies import remark_on_copies
from sklearn_seldonian.data._split import Split
from sklearn_seldonian.learners._protocol import NotTrained, Problem, Trained


def certify_outcome(
    outcome: Trained | NotTrained,
    problem: Problem,
    split: Split,
    origin: Origin,
    order_seed: int,
    share: float = 1.0,
) -> SafetyCertificate | None:
    """The certificate of an outcome, tested at a share of each delta; None without constraints."""
    specification, n_safety = problem.specification, len(split.safety.y)
    origin = dataclasses.replace(origin, n_candidate=len(split.candidate_indices))
    if not specification.constraints:
        return None
    if isinstance(outcome, NotTrained):
        return untested_certificate(specification, outcome.reason, n_safety, origin)
    certificate = run_safety_test(
        problem.tested(outcome).specification,
        outcome.model,
        split.safety,
        origin,
        order_seed,
        share=share,
        mask_given=split.mask_given,
    )
    remarks = [*certificate.remarks, outcome.remark]
    on_copies = certificate.fingerprints and remark_on_copies(split.candidate, split.safety)
    if on_copies:
        warn_user(on_copies)
        remarks.append(on_copies)
    return dataclasses.replace(certificate, remarks=tuple(filter(None, remarks)))
