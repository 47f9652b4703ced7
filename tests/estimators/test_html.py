"""The display in a notebook: scikit-learn's parameters, and whether the model is certified."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seldonian import NoSolutionFoundWarning, SeldonianClassifier
from sklearn_seldonian.constraints import demographic_parity, parse
from sklearn_seldonian.modules import MLP

SCRIPT = "<script>alert('x')</script>"


def unfitted(constraints="ACC >= 0.2", **params):
    return SeldonianClassifier(MLP, constraints=constraints, max_epochs=2, random_state=0, **params)


def shown(model):
    """The line above scikit-learn's own display."""
    return re.match(r"<div><p>(.*?)</p>", model._repr_html_(), re.S).group(1)


@pytest.mark.parametrize(
    ("constraints", "text"),
    [
        ("ACC >= 0.2", "Not fitted. Constraints: ACC &gt;= 0.2"),
        (["ACC >= 0.2", parse("PR <= 1")], "Not fitted. Constraints: ACC &gt;= 0.2; PR &lt;= 1"),
        (["PR <= 1"] * 8, "Not fitted. Constraints: " + "; ".join(["PR &lt;= 1"] * 8)),
        (["PR <= 1"] * 60, f"Not fitted. Constraints: {'PR &lt;= 1; ' * 8}and 52 more"),
        ((), "Not fitted. Constraints: none"),
        ("ACC >=", "Not fitted. Constraints: ACC &gt;="),
        ("\u202eACC\x00 >= 0.2", "Not fitted. Constraints: \\u202eACC\\x00 &gt;= 0.2"),
    ],
)
def test_before_fit(constraints, text):
    assert shown(unfitted(constraints)) == text


def test_constraints_of_builders_are_shown():
    assert "Not fitted. Constraints: " in shown(unfitted(demographic_parity("sex", 0.1)))


def test_after_fit(blobs):
    assert shown(unfitted().fit(*blobs)) == "Certified: ACC &gt;= 0.2"
    free = shown(unfitted(()).fit(*blobs))
    assert free == "Fitted without constraints. Nothing is certified."


@pytest.mark.parametrize(
    ("fallback", "answer"),
    [
        (None, "predict raises an error"),
        ("majority", "predict uses the fallback"),
        (LogisticRegression(), "predict uses the fallback"),
    ],
)
def test_a_fallback_is_not_certified(blobs, fallback, answer):
    with pytest.warns(NoSolutionFoundWarning):
        model = unfitted("ACC >= 0.99", fallback=fallback).fit(*blobs)
    text = shown(model)
    assert (
        text == f"Not certified: no solution was found, and {answer}. Constraints: ACC &gt;= 0.99"
    )
    assert "Certified:" not in model._repr_html_()


def test_what_is_shown_after_new_parameters_is_what_was_tested(blobs):
    model = unfitted().fit(*blobs).set_params(constraints="ACC >= 0.9")
    assert shown(model) == "Certified: ACC &gt;= 0.2"


def test_parameters_are_those_of_scikit_learn(blobs):
    model = unfitted(module__hidden=(4,), preprocessor=StandardScaler())
    html = model._repr_html_()
    for name in ("safety_size", "module__hidden", "StandardScaler"):
        assert name in html
    assert model._repr_mimebundle_()["text/html"].startswith("<div><p>Not fitted")
    assert "SeldonianClassifier" in make_pipeline(StandardScaler(), model)._repr_html_()
    with config_context(display="text"):
        assert not hasattr(model, "_repr_html_")


def test_all_text_is_escaped(blobs):
    X, y = blobs
    column, label = f"a{SCRIPT}", f"yes{SCRIPT}"
    constraints = [f"PR | [`{column}` > 0] <= 1", f'PR | [group == "{SCRIPT}"] <= 1']
    frame = pd.DataFrame(X, columns=[column, "b", "c"])
    model = unfitted(constraints, pos_label=label)
    groups = pd.DataFrame({"group": np.where(X[:, 0] > 0, SCRIPT, "other")})
    before = model._repr_html_()
    model.fit(frame, np.where(y == 1, label, "no"), sensitive_features=groups)
    for html in (before, model._repr_html_(), model.certificate_._repr_html_()):
        assert "&lt;script&gt;alert(" in html
        assert "<script>alert(" not in html
    assert SCRIPT in model.certificate_.explain(None)
