"""The outcome of training determines the certificate."""

import dataclasses
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta
from sklearn.base import BaseEstimator, ClassifierMixin

from sklearn_seldonian.certification._answers import answers_of
from sklearn_seldonian.certification._certifier import Origin
from sklearn_seldonian.constraints import choice
from sklearn_seldonian.learners import NotTrained, Trained, certify_outcome
from tests.learners._problems import problem_and_split, rows_of

N_SAFETY, N_CANDIDATE, N_WRONG = 200, 100, 10
MASK = np.arange(N_SAFETY + N_CANDIDATE) < N_SAFETY
ORIGIN = Origin("Here.fit", {"delta": "0.05"}, ("0", "1"), "1")
MASK_IS_AN_ASSUMPTION = "Which rows were kept for the safety test did not depend on outcomes."


class Second(ClassifierMixin, BaseEstimator):
    """A fitted classifier that decides by the sign of the second number."""

    classes_ = np.array([0, 1])

    def fit(self, X, y):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict(self, X):
        return (X[:, 1] > 0).astype(int)


MODEL = Trained(answers_of(Second()), pd.DataFrame())


@pytest.fixture
def rows():
    """Rows that are decided correctly, except for ten safety rows."""
    X = np.random.default_rng(0).normal(size=(len(MASK), 1)) * [1.0, 1.0]
    X[:N_WRONG, 1] *= -1
    return rows_of(X, np.zeros(len(MASK)))


def verdict(outcome, constraints, rows, mask=MASK, **options):
    problem, split = problem_and_split(constraints, rows, mask)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return certify_outcome(outcome, problem, split, ORIGIN, 3, **options)


@pytest.mark.parametrize(("limit", "passed"), [(0.85, True), (0.94, False), (0.96, False)])
def test_a_model_is_tested_on_the_safety_rows(rows, limit, passed):
    certificate = verdict(MODEL, f"ACC >= {limit}", rows)
    (result,) = certificate.results
    assert certificate.passed is passed
    assert result.estimate == pytest.approx(1 - N_WRONG / N_SAFETY)
    lower = beta.ppf(0.05, N_SAFETY - N_WRONG, N_WRONG + 1)  # Clopper and Pearson
    assert result.bound == pytest.approx(lower, rel=1e-6)
    assert (certificate.n_safety, certificate.n_candidate) == (N_SAFETY, N_CANDIDATE)
    assert (certificate.procedure, certificate.positive) == ("Here.fit", "1")
    assert certificate.remarks == ()


@pytest.mark.parametrize(("first", "share"), [(None, 0.5), (True, 1.0), (False, 1.0)])
def test_alternatives_share_delta_unless_training_chose_one(rows, first, share):
    text, choices = "max(ACC, ERR) >= 0.8", None
    if first is not None:
        (tree,) = (c.tree for c in problem_and_split(text, rows, MASK)[0].specification.constraints)
        choices = (choice(tree, iter([(float(first), 0.0), (float(not first), 0.0)])),)
    (result,) = verdict(dataclasses.replace(MODEL, choices=choices), text, rows).results
    assert result.delta == 0.05
    assert result.passed == (first is not False)
    assert result.chosen == {None: (), True: ("ACC >= 0.8",), False: ("ERR >= 0.8",)}[first]
    if first is not False:
        lower = beta.ppf(0.05 * share, N_SAFETY - N_WRONG, N_WRONG + 1)
        assert result.bound == pytest.approx(lower, rel=1e-6)
        return
    assert result.estimate == 0.95
    assert result.reason == (
        "the estimate meets the limit, but not through the alternative that was tested, which "
        "the candidate data had chosen"
    )


def test_without_constraints_there_is_no_certificate(rows):
    assert verdict(MODEL, (), rows) is None
    assert verdict(NotTrained("stopped"), (), rows) is None


def test_what_was_not_trained_is_not_tested_and_the_reason_is_said(rows):
    certificate = verdict(NotTrained("the cat sat on it"), ["ACC >= 0", "PR <= 1"], rows)
    assert not certificate.passed
    assert [result.passed for result in certificate.results] == [False, False]
    assert certificate.explain(None).count("the cat sat on it") == 2
    assert (certificate.n_safety, certificate.n_candidate) == (N_SAFETY, N_CANDIDATE)
    assert not certificate.fingerprints


@pytest.mark.parametrize("share", [1.0, 0.5, 0.125])
def test_a_share_of_delta_is_all_that_a_test_may_spend(rows, share):
    (result,) = verdict(MODEL, "ACC >= 0.85", rows, share=share).results
    assert result.delta == 0.05 * share
    lower = beta.ppf(0.05 * share, N_SAFETY - N_WRONG, N_WRONG + 1)
    assert result.bound == pytest.approx(lower, rel=1e-6)


def test_a_mask_of_the_user_is_an_assumption(rows):
    assert MASK_IS_AN_ASSUMPTION in verdict(MODEL, "ACC >= 0.5", rows).assumptions
    assert MASK_IS_AN_ASSUMPTION not in verdict(MODEL, "ACC >= 0.5", rows, None).assumptions


def test_copies_across_the_split_are_warned_of_and_remarked_on(rows):
    X = rows.X.copy()
    X[:N_CANDIDATE] = X[N_SAFETY:]
    copied = rows_of(X, np.zeros(len(X)))
    problem, split = problem_and_split("ACC >= 0.5", copied, MASK)
    message = "50% of the compared safety rows are exact copies of candidate rows"
    with pytest.warns(UserWarning, match=message) as caught:
        certificate = certify_outcome(MODEL, problem, split, ORIGIN, 3)
    assert certificate.remarks == (str(caught[0].message),)
    assert certificate.passed
    untested = verdict(NotTrained("stopped"), "ACC >= 0.5", copied)  # no rows were tested
    assert untested.remarks == ()


def test_a_level_that_no_candidate_row_has_leaves_the_rows_untested(rows):
    X = rows.X.copy()
    X[:N_CANDIDATE] = X[N_SAFETY:]
    groups = np.where(np.arange(len(X)) == 0, "only tested", "all")
    certificate = verdict(MODEL, "max(PR, by=group) <= 1", rows_of(X, groups))
    assert not certificate.passed
    assert "that no candidate row has: group == 'only tested'" in certificate.explain(None)
    assert certificate.remarks == ()
