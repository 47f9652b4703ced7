"""A search that does not use the safety rows, and notes on a second test of them."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import loguniform
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import IterableDataset

from sklearn_seldonian import (
    NoSolutionFoundError,
    NoSolutionFoundWarning,
    SeldonianClassifier,
)
from sklearn_seldonian.bounds import binomial_upper
from sklearn_seldonian.model_selection import SeldonianSearchCV
from sklearn_seldonian.modules import MLP

LEARNING_RATES = {"lr": [1e-6, 0.02]}


def classifier(constraints="ACC >= 0.65", **params):
    return SeldonianClassifier(
        constraints=constraints, random_state=0, max_epochs=4, **{"module": MLP, **params}
    )


def search(estimator=None, parameters=None, **params):
    return SeldonianSearchCV(
        estimator or classifier(), parameters or LEARNING_RATES, **{"cv": 2, **params}
    )


def weights_of(model):
    return [tensor.numpy() for tensor in model.module_.state_dict().values()]


def same_weights(one, other):
    pairs = zip(weights_of(one), weights_of(other), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


class TestSearch:
    def test_what_is_left_after_fit(self, blobs):
        X, y = blobs
        found = search().fit(X, y)
        assert found.best_params_ == {"lr": 0.02}
        assert found.best_index_ == 1
        assert found.best_estimator_.lr == 0.02
        assert found.n_splits_ == 2
        assert found.solution_found_
        assert found.certificate_ is found.best_estimator_.certificate_
        assert found.certificate_.n_safety == found.certificate_.n_candidate == 500
        assert found.classes_.tolist() == [0, 1]
        assert found.n_features_in_ == 3
        assert not hasattr(found, "feature_names_in_")
        np.testing.assert_array_equal(found.predict(X), found.best_estimator_.predict(X))
        np.testing.assert_array_equal(
            found.predict_proba(X), found.best_estimator_.predict_proba(X)
        )
        assert found.score(X, y) == found.best_estimator_.score(X, y)
        assert "2 settings were compared" in found.certificate_.explain(None)
        assert "one model was tested" in found.certificate_.explain(None)
        assert [(tested.index, tested.share) for tested in found.tested_] == [(1, 1)]

    def test_results_are_laid_out_as_in_scikit_learn(self, blobs):
        results = search().fit(*blobs).cv_results_
        assert results["params"] == [{"lr": 1e-6}, {"lr": 0.02}]
        assert results["param_lr"].tolist() == [1e-6, 0.02]
        assert results["rank_test_score"].tolist() == [2, 1]
        for name in ("passing", "error", "loss"):
            folds = [results[f"split{k}_test_{name}"] for k in range(2)]
            np.testing.assert_allclose(results[f"mean_test_{name}"], np.mean(folds, axis=0))
        assert results["mean_test_passing"][1] > results["mean_test_passing"][0]
        assert len(pd.DataFrame(results)) == 2

    def test_the_best_is_refitted_as_fit_would(self, blobs):
        found = search().fit(*blobs)
        mask = np.zeros(1000, dtype=bool)
        mask[found.best_estimator_.safety_indices_] = True
        alone = classifier(lr=0.02).fit(*blobs, safety_mask=mask)
        assert same_weights(found.best_estimator_, alone)
        assert found.certificate_.results == alone.certificate_.results

    def test_folds_predict_the_test_that_will_be_run(self, blobs):
        """With more safety rows, the same model is more likely to pass: same folds, same rows."""
        X, y = blobs
        many, few = np.arange(1000) >= 500, np.arange(1000) >= 900
        probabilities = []
        for rows, safety in ((np.arange(1000), many), (~many | few, few)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NoSolutionFoundWarning)
                found = search(classifier("ACC >= 0.75")).fit(
                    X[rows], y[rows], safety_mask=safety[rows]
                )
            probabilities.append(found.cv_results_["mean_test_passing"][1])
        assert probabilities[0] > probabilities[1]

    def test_same_seed_same_search(self, blobs):
        one, other = (search().fit(*blobs) for _ in range(2))
        assert same_weights(one.best_estimator_, other.best_estimator_)
        assert one.certificate_ == other.certificate_

    def test_seeds_an_estimator_that_has_none(self, blobs):
        model = classifier().set_params(random_state=None)
        one, other, third = (search(model, random_state=s).fit(*blobs) for s in (0, 0, 1))
        assert same_weights(one.best_estimator_, other.best_estimator_)
        assert not same_weights(one.best_estimator_, third.best_estimator_)
        assert model.random_state is None

    def test_scoring_takes_the_place_of_the_error(self, blobs):
        def slowness(estimator, X, y):
            assert len(X) == len(y) == 250
            return -estimator.lr

        settings = {"lr": [0.03, 0.02]}
        found = search(parameters=settings, scoring=slowness).fit(*blobs)
        assert found.best_params_ == {"lr": 0.02}
        assert found.cv_results_["mean_test_score"].tolist() == [-0.03, -0.02]
        assert found.score(blobs[0][:250], blobs[1][:250]) == -0.02

    def test_settings_not_predicted_to_pass_come_last_with_any_score(self, blobs):
        found = search(scoring=lambda estimator, X, y: -estimator.lr).fit(*blobs)
        assert found.best_params_ == {"lr": 0.02}

    def test_settings_are_drawn_on_request(self, blobs):
        draws = [
            search(parameters={"lr": loguniform(1e-3, 1e-1)}, n_iter=2, random_state=seed)
            .fit(*blobs)
            .cv_results_["param_lr"]
            .tolist()
            for seed in (0, 0, 1)
        ]
        assert draws[0] == draws[1] != draws[2]
        assert len(set(draws[0])) == 2

    def test_names_of_any_depth(self, blobs):
        model = classifier(preprocessor=make_pipeline(StandardScaler()))
        grid = [
            {"module__hidden": [(4,)], "preprocessor__standardscaler__with_mean": [False]},
            {"module__hidden": [(6, 2)]},
        ]
        found = search(model, grid).fit(*blobs)
        assert len(found.cv_results_["params"]) == 2
        assert found.cv_results_["param_preprocessor__standardscaler__with_mean"].mask.tolist() == [
            False,
            True,
        ]
        layers = found.best_estimator_.module_.modules()
        sizes = [layer.out_features for layer in layers if isinstance(layer, nn.Linear)]
        assert sizes[:-1] == list(found.best_params_["module__hidden"])

    def test_splitters_in_any_order(self, blobs):
        found = search(cv=ShuffleSplit(3, test_size=0.3, random_state=0)).fit(*blobs)
        assert found.n_splits_ == 3
        assert found.best_params_ == {"lr": 0.02}

    def test_without_constraints_there_is_nothing_to_test(self, blobs):
        found = search(classifier(()), test="holm").fit(*blobs)
        assert found.best_params_ == {"lr": 0.02}
        assert found.solution_found_
        assert found.certificate_ is None
        assert found.tested_ == ()

    def test_settings_that_cannot_be_trained_lose(self, blobs):
        model = classifier(optimizer=torch.optim.SGD)
        with pytest.warns(UserWarning, match="so training stopped"):
            found = search(model, {"lr": [1e30, 0.5]}).fit(*blobs)
        assert found.best_params_ == {"lr": 0.5}
        assert found.cv_results_["mean_test_passing"][0] == -np.inf

    def test_a_dataset_is_read_once(self, blobs):
        """A second pass could return other rows, so that safety rows would be trained on."""
        X, y = blobs

        class Shuffled(IterableDataset):
            passes = 0

            def __iter__(self):
                Shuffled.passes += 1
                order = np.random.default_rng(Shuffled.passes).permutation(1000)
                return ((X[i], y[i]) for i in order)

        found = search().fit(Shuffled())
        assert Shuffled.passes == 1
        order = np.random.default_rng(1).permutation(1000)
        assert found.certificate_ == search().fit(X[order], y[order]).certificate_

    def test_an_interrupt_ends_the_search(self, blobs):
        class Interrupted(nn.Linear):
            def forward(self, X):
                if self.training:
                    raise KeyboardInterrupt
                return super().forward(X)

        model = classifier(module=Interrupted, module__in_features=3, module__out_features=2)
        with pytest.raises(KeyboardInterrupt):
            search(model).fit(*blobs)

    def test_no_model_at_all_is_no_solution(self, blobs):
        with pytest.warns(NoSolutionFoundWarning, match="no model can satisfy 'ACC >= 1.5'"):
            found = search(classifier("ACC >= 1.5"), test="holm").fit(*blobs)
        assert not found.solution_found_
        with pytest.raises(NoSolutionFoundError):
            found.predict(blobs[0])

    def test_the_fallback_answers(self, blobs):
        model = classifier("ACC >= 0.99", fallback=LogisticRegression())
        with pytest.warns(NoSolutionFoundWarning):
            found = search(model).fit(*blobs)
        assert not found.solution_found_
        assert found.score(*blobs) > 0.7


class TestSensitiveFeatures:
    MOST = "max(PR, by=race) <= 0.95"

    def test_columns_and_mask_are_taken_by_fit(self, blobs, groups):
        mask = np.arange(1000) % 4 == 0
        found = search(classifier(self.MOST)).fit(
            *blobs, sensitive_features=groups, safety_mask=mask
        )
        assert found.solution_found_
        assert found.best_estimator_.safety_indices_.tolist() == np.flatnonzero(mask).tolist()
        assert "did not depend on outcomes" in found.certificate_.explain(None)
        assert "did not depend on outcomes" not in search().fit(*blobs).certificate_.explain(None)

    def test_levels_are_those_of_all_candidate_rows(self, blobs, groups):
        """A level that is missing in the training rows of a fold causes no error or warning."""
        model = classifier(self.MOST)
        groups.loc[:99, "race"] = "rare"
        candidate = np.arange(1000) < 600
        folds = [(np.arange(100, 600), np.arange(100)), (np.arange(300), np.arange(300, 600))]
        groups.loc[950:, "race"] = "rare"
        found = search(model, cv=folds).fit(
            *blobs, sensitive_features=groups, safety_mask=~candidate
        )
        assert 'PR | [race == "rare"]' in str(found.certificate_.results[0].rows)


class TestRefused:
    @pytest.mark.parametrize(
        "name",
        [
            "method",
            "constraints",
            "decision",
            "delta",
            "measures",
            "pos_label",
            "prediction_range",
            "safety_size",
            "target_range",
        ],
    )
    def test_the_promise_is_not_searched_over(self, blobs, name):
        with pytest.raises(ValueError, match=f"'{name}', which defines what is promised"):
            search(parameters=[{"lr": [0.1]}, {name: [0.1]}]).fit(*blobs)

    def test_pipelines(self, blobs):
        pipeline = make_pipeline(StandardScaler(), classifier())
        with pytest.raises(TypeError, match="would be fitted to the safety rows"):
            search(pipeline).fit(*blobs)

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"test": "all"}, "'test' parameter"),
            ({"n_candidates": 0}, "'n_candidates' parameter"),
            ({"n_iter": 0}, "'n_iter' parameter"),
        ],
    )
    def test_bad_parameters(self, blobs, params, message):
        with pytest.raises(ValueError, match=message):
            search(**params).fit(*blobs)

    def test_unknown_names(self, blobs):
        with pytest.raises(ValueError, match="Did you mean"):
            search(parameters={"module__hiden": [(4,)]}).fit(*blobs)

    def test_predict_before_fit(self, blobs):
        with pytest.raises(NotFittedError):
            search().predict(blobs[0])


# -- the safety rows ---------------------------------------------------------------------------


class Mistaken(nn.Module):
    """Predicts labels with chosen errors.

    Rows are (sign of the label, u). Negatives with `low` <= u < `high` are predicted positive, and
    positives with u below `missed` negative.
    """

    def __init__(self, low, high, missed=0.0):
        super().__init__()
        self.low, self.high, self.missed = low, high, missed
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, X):
        sign, u = X[:, 0], X[:, 1]
        false_positive = (sign < 0) & (u >= self.low) & (u < self.high)
        false_negative = (sign > 0) & (u < self.missed)
        decided = torch.where(false_positive | false_negative, -sign, sign)
        return torch.stack([-decided, decided], dim=1) + 0 * self.unused


ACCURATE = {"module__low": [0.0], "module__high": [0.04], "module__missed": [0.0]}
CAREFUL = {"module__low": [0.5], "module__high": [0.51], "module__missed": [0.3]}


def mistaken_search(test, safety_u, **params):
    """A search over an accurate and a careful model; `safety_u` are u of the 500 safe negatives."""
    y = np.tile([0, 1], 1000)
    candidate = np.arange(2000) < 1000
    u = np.random.default_rng(0).random(2000)
    u[~candidate & (y == 0)] = np.resize(safety_u, 500)
    model = SeldonianClassifier(
        Mistaken,
        "FPR <= 0.08",
        module__low=0.0,
        module__high=0.0,
        max_epochs=1,
        random_state=0,
        **params,
    )
    found = SeldonianSearchCV(model, [ACCURATE, CAREFUL], test=test, cv=2, n_candidates=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoSolutionFoundWarning)
        return found.fit(np.column_stack([2 * y - 1, u]), y, safety_mask=~candidate)


CLEAN, ONLY_ACCURATE_FAILS, ONLY_CAREFUL_FAILS, BOTH_FAIL = (
    np.array(u) for u in ([0.9], [0.9, 0.02], [0.9, 0.505], [0.02, 0.505])
)


@pytest.mark.parametrize(
    ("test", "safety_u", "tested", "kept"),
    [
        ("best", CLEAN, [0], 0),
        ("best", ONLY_ACCURATE_FAILS, [0], None),
        ("best", ONLY_CAREFUL_FAILS, [0], 0),
        ("fixed-sequence", CLEAN, [1, 0], 0),
        ("fixed-sequence", ONLY_ACCURATE_FAILS, [1, 0], 1),
        ("fixed-sequence", ONLY_CAREFUL_FAILS, [1], None),
        ("fixed-sequence", BOTH_FAIL, [1], None),
        ("holm", CLEAN, [0, 0, 1, 1], 0),
        ("holm", ONLY_ACCURATE_FAILS, [0, 1, 1], 1),
        ("holm", ONLY_CAREFUL_FAILS, [0, 0, 1], 0),
        ("holm", BOTH_FAIL, [0, 1], None),
    ],
)
@pytest.mark.thinned(3)
def test_what_is_tested_and_kept(test, safety_u, tested, kept):
    found = mistaken_search(test, safety_u)
    passing = found.cv_results_["mean_test_passing"]
    assert found.cv_results_["rank_test_score"].tolist() == [1, 2]
    assert passing[1] > passing[0] > 0.9
    assert [t.index for t in found.tested_] == tested
    assert found.solution_found_ == (kept is not None)
    assert found.certificate_.passed == found.solution_found_
    if kept is not None:
        assert found.best_index_ == kept
        assert found.best_estimator_.get_params().items() >= found.best_params_.items()


def test_holm_splits_delta():
    found = mistaken_search("holm", ONLY_ACCURATE_FAILS, delta=0.08)
    (result,) = found.certificate_.results
    assert result.delta == 0.04
    assert "2 models were tested by Holm's method" in found.certificate_.explain(None)
    assert "tested at delta / 2" in found.certificate_.explain(None)
    assert [(t.share, t.certificate.results[0].delta) for t in found.tested_ if t.index == 1] == [
        (1, 0.08),
        (2, 0.04),
    ]


def test_holm_refuses_what_passes_at_the_full_delta_alone():
    """35 false positives of 500 pass at 0.3 but not at half of that; 100 pass at neither."""
    assert binomial_upper(35, 500, 0.3) < 0.08 < binomial_upper(35, 500, 0.15)
    u = np.repeat([0.02, 0.505, 0.9], [35, 100, 365])
    alone, both = (mistaken_search(test, u, delta=0.3) for test in ("best", "holm"))
    assert alone.solution_found_
    assert not both.solution_found_
    accurate = {t.share: t.certificate.passed for t in both.tested_ if t.index == 0}
    assert accurate == {1: True, 2: False}
    assert both.certificate_.results[0].delta == 0.15


def test_fixed_sequence_reports_how_many_were_tested():
    explained = mistaken_search("fixed-sequence", ONLY_CAREFUL_FAILS).certificate_.explain(None)
    assert "2 models were to be tested at the full delta each" in explained
    assert "Tested: 1." in explained
