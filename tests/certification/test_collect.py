"""Statistics of parts of the rows lead to the certificate of all rows."""

import pickle

import pytest

from sklearn_seldonian import certify, collect
from sklearn_seldonian.certification._comparison import as_differences
from sklearn_seldonian.measures import RowMeasure
from tests.certification._parts import CONSTRAINTS, ROWS, parts
from tests.certification._people import CLASSIFIER, FEATURES, GROUPS, REGRESSOR


def is_wrong(y, prediction, _):
    return 1.0 * (y != prediction)


COST = RowMeasure("Cost", is_wrong, range=(0, 1))
CASES = {
    "decisions": (CLASSIFIER, "label", CONSTRAINTS, {}),
    "t bounds": (CLASSIFIER, "label", CONSTRAINTS, {"method": "ttest"}),
    "probabilities": (CLASSIFIER, "label", CONSTRAINTS, {"decision": "sample"}),
    "own measure": (CLASSIFIER, "label", "max(Cost, by=sex) <= 0.5", {"measures": [COST]}),
    "errors": (
        REGRESSOR,
        "outcome",
        ["MAE <= 2", "ME | [sex == 'F'] - ME | [sex == 'M'] <= 0.5"],
        {"target_range": (-3, 3), "prediction_range": (-9, 9)},
    ),
    "probabilities, asymptotic": (
        CLASSIFIER,
        "label",
        CONSTRAINTS,
        {"decision": "sample", "method": "asymptotic"},
    ),
    "errors, asymptotic": (REGRESSOR, "outcome", "MSE <= 2", {"method": "asymptotic"}),
    "nothing to look at": (CLASSIFIER, "label", "ACC >= 0.5", {}),
}


def assert_same(certificate, whole):
    """Equal up to the last digits of sums of numbers, and up to an order that no test uses."""
    for name, value in vars(whole).items():
        found = getattr(certificate, name)
        if name == "results":
            for one, other in zip(found, value, strict=True):
                for field, expected in vars(other).items():
                    approximate = isinstance(expected, float)
                    expected = pytest.approx(expected, rel=1e-6) if approximate else expected
                    assert getattr(one, field) == expected, field
        elif name == "order_seed":
            assert found in (value, None)
        elif name == "statistics":
            differing = as_differences(found, value)
            assert differing == ([] if found.values == value.values else ["values"])
            assert found.values == value.values or certificate.order_seed is None
        elif name not in ("loss", "created_at"):
            assert found == value, name


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_parts_lead_to_the_certificate_of_the_whole(case):
    model, label, constraints, options = case
    whole = certify(
        model,
        ROWS[FEATURES],
        ROWS[label],
        constraints,
        sensitive_features=ROWS[GROUPS],
        random_state=0,
        **options,
    )
    found = parts(*case)
    for order in (found, found[::-1]):
        total = sum(order)
        assert total.n_rows == 3000
        assert repr(total) == "<SafetyStatistics of 3,000 rows>"
        assert_same(pickle.loads(pickle.dumps(total)).certify(random_state=0), whole)
    assert whole.tested


def test_counts_lead_to_an_equal_certificate():
    model, label, constraints, options = CASES["decisions"]
    whole = certify(
        model, ROWS[FEATURES], ROWS[label], constraints, sensitive_features=ROWS[GROUPS], **options
    )
    assert sum(parts(model, label, constraints, options)).certify() == whole


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"constraints": ()}, ValueError, "No constraints were given"),
        ({"method": "hoeffding"}, ValueError, "method must be one of"),
        ({"delta": [0.1, 0.1]}, ValueError, r"one per constraint \(here 1\); got 2 numbers"),
        ({"target_range": (0, 1)}, ValueError, "target_range"),
        ({"y": ROWS["label"][1:]}, ValueError, "must have the same number of rows"),
        ({"constraint": "ACC >= 0.5"}, TypeError, "Did you mean 'constraints'"),
        ({"groups": ROWS["sex"]}, TypeError, "collect has no parameter 'groups'"),
    ],
)
def test_what_certify_refuses_is_refused_for_each_part(given, error, message):
    usual = {"X": ROWS[FEATURES], "y": ROWS["label"], "constraints": "ACC >= 0.5"}
    assert collect(CLASSIFIER, **usual).n_rows == 3000
    with pytest.raises(error, match=message):
        collect(CLASSIFIER, **{**usual, **given})
