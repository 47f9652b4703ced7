"""Entries that several docstrings share are written once, and shown in all of them."""

import pytest

from sklearn_seldonian import SeldonianClassifier, SeldonianRegressor
from sklearn_seldonian.estimators._docstrings import with_entries_of


class Base:
    """All of them.

    Parameters
    ----------
    delta : float, default=0.05
        Accepted probability
        of being wrong.
    lr, power : float
    verbose : int
        Of braces: {delta}.

    Attributes
    ----------
    net_ : object
    """


def documented(text):
    """A class with that docstring, filled."""
    return with_entries_of(Base)(type("Own", (), {"__doc__": text})).__doc__


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Own.", "Own."),
        ("Own.\n\n    {lr, power}", "Own.\n\nlr, power : float"),
        (
            "Own.\n\n    mine : int\n    {delta}\n    other : int",
            "Own.\n\nmine : int\ndelta : float, default=0.05\n    Accepted probability\n"
            "    of being wrong.\nother : int",
        ),
        ("Own.\n\n    {verbose}", "Own.\n\nverbose : int\n    Of braces: {delta}."),
        ("Own.\n\n    {net_}\n    {delta!r} inside", "Own.\n\nnet_ : object\n{delta!r} inside"),
        ("Own, one of {delta}.", "Own, one of {delta}."),
    ],
    ids=["none", "two names", "several lines", "not twice", "last", "within a line"],
)
def test_a_line_of_a_name_in_braces_becomes_the_entry(text, expected):
    assert documented(text) == expected


def test_a_class_without_docstring_stays_without():
    assert documented(None) is None


def test_an_entry_that_there_is_not_is_an_error():
    with pytest.raises(KeyError, match="epsilon"):
        documented("Own.\n\n    {epsilon}")


@pytest.mark.parametrize("estimator", [SeldonianClassifier, SeldonianRegressor])
def test_estimators_show_each_shared_entry_once(estimator):
    for name in ("delta", "method", "safety_size", "random_state", "certificate_", "net_"):
        assert estimator.__doc__.count(f"\n{name} : ") == 1
    assert "\n{" not in estimator.__doc__
