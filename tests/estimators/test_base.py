"""All Seldonian estimators: split, training, one test, and the origin of the certificate."""

import numpy as np
import pandas as pd
import pytest

from sklearn_seldonian import (
    SeldonianClassifier,
)
from sklearn_seldonian.modules import MLP

PARITY = "abs(PR | [M] - PR | [F]) <= 0.3"


def fitted(blobs, constraints="ACC >= 0.7", **params):
    return SeldonianClassifier(MLP, constraints=constraints, random_state=0, **params).fit(*blobs)


def unfitted(constraints="ACC >= 0.6", **params):
    return SeldonianClassifier(
        MLP, constraints=constraints, **{"max_epochs": 3, "random_state": 0, **params}
    )


def test_without_constraints_all_rows_train(blobs):
    model = fitted(blobs, ())
    assert model.solution_found_
    assert model.certificate_ is None
    assert len(model.candidate_indices_) == 1000
    assert len(model.safety_indices_) == 0


def test_several_constraints_with_a_delta_each(blobs, groups):
    model = SeldonianClassifier(
        MLP, constraints=["ACC >= 0.7", PARITY], delta=[0.05, 0.1], random_state=0
    ).fit(*blobs, sensitive_features=groups)
    assert model.solution_found_
    assert [r.delta for r in model.certificate_.results] == [0.05, 0.1]


def test_conditions_on_columns_of_a_frame(blobs, groups):
    X, y = blobs
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = SeldonianClassifier(
        MLP, constraints="ACC | [a > 0] >= 0.6", max_epochs=5, random_state=0
    )
    model.fit(frame, y)
    rows = model.safety_indices_
    rows = rows[X[rows, 0] > 0]
    (result,) = model.certificate_.results
    assert result.rows == {"ACC | [a > 0]": len(rows)}
    assert result.estimate == pytest.approx((model.predict(frame.loc[rows]) == y[rows]).mean())


def test_certify_on_fresh_rows(blobs):
    X, y = blobs
    model = SeldonianClassifier(MLP, "ACC >= 0.7", max_epochs=5, random_state=0)
    model.fit(X[:600], y[:600])
    certificate = model.certify(X[600:], y[600:])
    assert certificate.n_safety == 400
    (result,) = certificate.results
    assert result.estimate == pytest.approx(model.score(X[600:], y[600:]))


def test_certificate_has_its_origin(blobs):
    X, y = blobs
    model = SeldonianClassifier(
        MLP, constraints="TPR >= 0.5", pos_label=0, max_epochs=5, random_state=3
    )
    model.fit(X[:600], y[:600])
    tested, fresh = model.certificate_, model.certify(X[600:], y[600:])
    assert tested.procedure == "SeldonianClassifier.fit"
    assert fresh.procedure == "SeldonianClassifier.certify"
    assert tested.parameters["random_state"] == "3"
    assert tested.parameters["constraints"] == "'TPR >= 0.5'"
    assert tested.parameters.keys() == model.get_params(deep=False).keys()
    assert (tested.classes, tested.positive) == (("0", "1"), "0")


def test_certify_refuses_what_fit_did_not_see(blobs, groups):
    X, y = blobs
    model = SeldonianClassifier(MLP, constraints="PR | [M] <= 0.99", max_epochs=1, random_state=0)
    model.fit(X, y, sensitive_features=groups)
    with pytest.raises(ValueError, match=r"labels that the model does not know: 7. It knows 0, 1"):
        model.certify(X, np.where(y == 1, 7, 0), sensitive_features=groups)
    with pytest.raises(ValueError, match=r"columns that were not given: \['M'\]"):
        model.certify(X, y)
    plain = SeldonianClassifier(max_epochs=1).fit(X, y)
    with pytest.raises(ValueError, match="nothing to certify"):
        plain.certify(X, y)


def test_certify_has_the_constraints_of_fit(blobs):
    X, y = blobs
    first = unfitted("FPR <= 0.5").fit(X[:500], y[:500])
    expected = first.certify(X[500:], y[500:])
    other = unfitted("FPR <= 0.5").fit(X[:500], y[:500])
    other.set_params(
        constraints="ACC >= 0.9", delta=0.5, method="ttest", pos_label=0, decision="sample"
    )
    assert other.certify(X[500:], y[500:]) == expected
    assert expected.positive == "1"
    assert expected.parameters["delta"] == "0.05"
    assert expected.procedure == "SeldonianClassifier.certify"
