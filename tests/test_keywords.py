"""Keywords of other packages are refused, with the keyword to use here."""

import inspect

import pytest

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian._keywords import (
    ADVICE,
    SYNONYMS,
    advice_on,
    refuse_keywords,
    refuse_unknown_keywords,
)
from sklearn_seldonian.estimators._base import FIT_ARGUMENTS

KNOWN = ["delta", "lr", "max_epochs", "power"]
IS_A_PARAMETER = "is a parameter of the estimator. Give it when you create the estimator."


@pytest.mark.parametrize(
    ("name", "known", "advice"),
    [
        ("alpha", KNOWN, "Did you mean 'delta'?"),
        ("Alpha", KNOWN, "Did you mean 'delta'?"),
        ("eta", KNOWN, "Did you mean 'lr'?"),  # although it looks more like delta
        ("powr", KNOWN, "Did you mean 'power'?"),
        ("l2", KNOWN, "Did you mean 'optimizer__weight_decay'?"),
        ("group", KNOWN, "sensitive_features is an argument of fit, not a parameter of the "
         "estimator."),
        ("mask", KNOWN, "safety_mask is an argument of fit, not a parameter of the estimator."),
        ("group", ["X", "sensitive_features"], "Did you mean 'sensitive_features'?"),
        ("epochs", ["X", "y"], f"max_epochs {IS_A_PARAMETER}"),
        ("nonsense", ["X", "y"], "Its keywords are X, y."),
        ("tol", KNOWN, "Training ends after max_epochs, or after n_iter_no_change epochs without "
         "progress."),
    ],
)  # fmt: skip
def test_what_to_write_instead(name, known, advice):
    assert advice_on(name, known) == advice


def test_a_parameter_of_the_estimator_is_named_as_such_first():
    assert advice_on("powr", KNOWN, ["power"]) == "Did you mean 'power'?"
    assert advice_on("power", ["powers"], ["power"]) == f"power {IS_A_PARAMETER}"
    assert advice_on("cv", ["X"], ["cv"]) == f"cv {IS_A_PARAMETER}"


def test_advice_leads_to_what_there_is():
    arguments = set(FIT_ARGUMENTS)
    there_are = {*SeldonianClassifier().get_params(), *arguments}
    plain = {name for name in SYNONYMS.values() if "__" not in name}
    assert plain <= there_are
    assert not set(ADVICE) & set(SYNONYMS)
    assert not (set(ADVICE) | set(SYNONYMS)) & (there_are - arguments)


@refuse_unknown_keywords
def plan(rows, *, delta=0.05):
    """A plan."""
    return rows, delta


class Owner:
    def _get_param_names(self):
        return ["power"]

    @refuse_unknown_keywords
    def fit(self, X, y=None):
        return self, X, y


def test_known_keywords_are_handed_on():
    owner = Owner()
    assert plan(3) == (3, 0.05)
    assert plan(rows=3, delta=0.1) == (3, 0.1)
    assert owner.fit(1, y=2) == (owner, 1, 2)
    assert str(inspect.signature(plan)) == "(rows, *, delta=0.05)"
    assert (plan.__name__, plan.__doc__) == ("plan", "A plan.")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plan(3, alpha=0.1), "plan has no parameter 'alpha'. Did you mean 'delta'?"),
        (
            lambda: plan(3, delta=0.1, zzz=0.1),
            "plan has no parameter 'zzz'. Its keywords are rows, delta.",
        ),
        (
            lambda: Owner().fit(1, power=0.9),
            f"fit has no parameter 'power'. power {IS_A_PARAMETER}",
        ),
        (lambda: Owner().fit(1, zzz=0.9), "fit has no parameter 'zzz'. Its keywords are X, y."),
        (
            lambda: refuse_keywords(["zzz", "alpha"], "go", KNOWN),
            "go has no parameter 'zzz'. Its keywords are delta, lr, max_epochs, power.",
        ),
    ],
)
def test_unknown_keywords_are_refused_with_advice(call, message):
    with pytest.raises(TypeError) as caught:
        call()
    assert str(caught.value) == message


def test_no_keywords_are_not_refused():
    assert refuse_keywords([], "go", KNOWN) is None
