"""Transformers inside the estimator see candidate rows only; in front of it they break the
guarantee.
"""

import numpy as np
import pandas as pd
import pytest
import torch
from imblearn.combine import SMOTEENN
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.pipeline import make_pipeline as make_sampling_pipeline
from imblearn.under_sampling import RandomUnderSampler
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator, clone
from sklearn.compose import make_column_transformer
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from sklearn_seldonian import (
    NoSolutionFoundWarning,
    SeldonianClassifier,
    SeldonianMetaClassifier,
)
from sklearn_seldonian.metrics import solution_found
from sklearn_seldonian.modules import MLP

IN_FRONT = "no preprocessing, selection of features, resampling or search outside the estimator"


def rare_class(seed, n_rows=1500, shift=0.5):
    """One row in twenty is of class 1, which `shift` separates in the first of 20 features."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n_rows) < 0.05).astype(int)
    X = rng.normal(size=(n_rows, 20))
    X[:, 0] += shift * y
    return X, y


def pure_noise(seed, n_rows=300):
    """Labels that are independent of all 2,000 features."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_rows, 2000)), rng.integers(0, 2, size=n_rows)


def fitted(X, y, constraint, preprocessor=None, **params):
    params = {"max_epochs": 8, "random_state": 0, **params}
    return SeldonianClassifier(
        constraints=constraint, preprocessor=preprocessor, **{"module": MLP, **params}
    ).fit(X, y)


class TestDisasters:
    """With seeds 0 to 19 there were 20 and 20 false certificates in front, and none inside."""

    @pytest.mark.parametrize("seed", range(3))
    def test_oversampler_in_front_certifies_what_is_false_and_is_noticed(self, seed):
        X, y = RandomOverSampler(random_state=seed).fit_resample(*rare_class(seed))
        with pytest.warns(UserWarning, match="compared safety rows are exact copies"):
            model = fitted(X, y, "TPR >= 0.8", random_state=seed)
        fresh, labels = rare_class(1000 + seed, 20_000)
        assert model.solution_found_
        assert model.predict(fresh[labels == 1]).mean() < 0.2
        text = model.certificate_.explain(None)
        assert IN_FRONT in text
        assert "the certificate proves nothing about new rows" in text

    @pytest.mark.parametrize("seed", [0, 1])
    def test_oversampler_inside_finds_nothing_where_there_is_nothing(self, seed):
        with pytest.warns(NoSolutionFoundWarning):
            model = fitted(*rare_class(seed), "TPR >= 0.8", RandomOverSampler(random_state=seed))
        assert not model.solution_found_

    def test_oversampler_inside_certifies_a_cautious_model_only_where_that_is_true(self):
        sampler = RandomOverSampler(random_state=7)
        model = fitted(*rare_class(7), "TPR >= 0.8", sampler, module__hidden=())
        fresh, labels = rare_class(1000, 20_000)
        assert model.solution_found_
        assert model.predict(fresh).mean() > 0.8  # nearly all
        assert model.predict(fresh[labels == 1]).mean() >= 0.8

    def test_oversampler_inside_certifies_what_is_true(self):
        sampler = RandomOverSampler(random_state=0)
        data = rare_class(0, 3000, shift=4.0)
        model = fitted(*data, "TPR >= 0.8", sampler, module__hidden=())
        fresh, labels = rare_class(1000, 20_000, shift=4.0)
        assert model.solution_found_
        assert model.predict(fresh[labels == 1]).mean() >= 0.8

    @pytest.mark.parametrize("seed", range(3))
    def test_selector_in_front_certifies_what_is_false(self, seed):
        X, y = pure_noise(seed)
        chosen = SelectKBest(k=50).fit(X, y)
        model = fitted(chosen.transform(X), y, "ACC >= 0.6", random_state=seed)
        fresh, labels = pure_noise(1000 + seed, 2000)
        assert model.solution_found_
        assert model.score(chosen.transform(fresh), labels) < 0.55
        assert IN_FRONT in model.certificate_.explain(None)

    @pytest.mark.parametrize("seed", range(3))
    def test_selector_inside_finds_nothing_where_there_is_nothing(self, seed):
        with pytest.warns(NoSolutionFoundWarning):
            fitted(*pure_noise(seed), "ACC >= 0.6", SelectKBest(k=50), random_state=seed)


SAMPLERS = [
    RandomOverSampler(random_state=0),
    SMOTE(random_state=0),
    RandomUnderSampler(random_state=0),
    SMOTEENN(random_state=0),
    make_sampling_pipeline(StandardScaler(), SMOTE(random_state=0)),
    make_sampling_pipeline(SMOTE(random_state=0), StandardScaler()),
    make_pipeline(StandardScaler(), RandomOverSampler(random_state=0)),
]
each_sampler = pytest.mark.parametrize(
    "sampler",
    SAMPLERS,
    ids=lambda s: "-".join(type(step).__name__ for _, step in getattr(s, "steps", [("", s)])),
)


@pytest.fixture(scope="module")
def without_sampler():
    return fitted(*rare_class(0, 2000, shift=2.0), (), module__hidden=(), max_epochs=10)


class TestSamplers:
    @each_sampler
    @pytest.mark.parametrize("constraint", ["TPR >= 0.2", ()], ids=["constrained", "free"])
    @pytest.mark.thinned(4)
    def test_rare_class_is_trained_on_more_rows_and_tested_on_its_own(
        self, sampler, constraint, without_sampler
    ):
        X, y = rare_class(0, 2000, shift=2.0)
        frame = pd.DataFrame(X).add_prefix("x")
        model = fitted(frame, y, constraint, sampler, module__hidden=(), max_epochs=10)
        assert model.predict(frame).mean() > 2 * without_sampler.predict(X).mean()
        assert list(model.feature_names_in_[:2]) == ["x0", "x1"]
        assert np.array_equal(model.predict(frame[:7]), model.predict(frame)[:7])
        if constraint:
            rows = model.safety_indices_
            (result,) = model.certificate_.results
            assert result.rows == {"TPR": y[rows].sum()}
            assert result.estimate == pytest.approx(
                model.predict(frame.loc[rows])[y[rows] == 1].mean()
            )

    def test_estimates_and_groups_are_those_of_real_candidate_rows(self, groups):
        X, y = rare_class(0, n_rows=1000, shift=2.0)
        model = SeldonianClassifier(
            MLP,
            constraints=["PR | [M] <= 0.9", "abs(PR | [M] - PR | [F]) <= 0.6"],
            preprocessor=SMOTE(random_state=0),
            max_epochs=3,
            random_state=0,
        ).fit(X, y, sensitive_features=groups)
        rows = model.candidate_indices_
        kept = model.history_.set_index("epoch").loc[model.net_.kept_epoch_]
        men = groups["M"].to_numpy()[rows] == 1
        rate = model.predict(X[rows])[men].mean()
        assert kept["estimate_0"] == pytest.approx(rate)

    def test_the_constraint_pulls_although_the_sampler_pushes(self):
        X, y = rare_class(0, shift=2.0)
        sampler = RandomOverSampler(random_state=0)
        free = fitted(X, y, (), sampler, module__hidden=())
        bound = fitted(X, y, "PR <= 0.1", sampler, module__hidden=())
        assert free.predict(X).mean() > 0.15
        assert bound.solution_found_
        assert bound.predict(X).mean() <= 0.1
        assert bound.history_["multiplier_0"].iloc[-1] > 0

    def test_own_loaders_serve_resampled_rows(self):
        model = fitted(
            *rare_class(0, shift=4.0),
            "TPR >= 0.3",
            RandomOverSampler(random_state=0),
            iterator_train__drop_last=True,
        )
        assert model.solution_found_

    @pytest.mark.filterwarnings("ignore::sklearn_seldonian.NoSolutionFoundWarning")
    def test_garbage_over_the_safety_rows_changes_only_the_certificate(self):
        X, y = rare_class(0, shift=4.0)
        sampler = make_sampling_pipeline(StandardScaler(), SMOTE(random_state=0))
        model = fitted(X, y, "TPR >= 0.3", sampler)
        rng = np.random.default_rng(1)
        X[model.safety_indices_] = 1e3 * rng.normal(size=(len(model.safety_indices_), 20))
        poisoned = fitted(X, y, "TPR >= 0.3", sampler)
        one, other = model.certificate_, poisoned.certificate_
        assert one.fingerprints["weights"] == other.fingerprints["weights"]
        assert one.results != other.results

    def test_labels_that_a_sampler_makes_up_are_refused(self):
        class Inventor(BaseEstimator):
            def fit_resample(self, X, y):
                self.labels_ = np.full(len(y), 7)
                return X, self.labels_

            def fit(self, X, y):
                return self

        with pytest.raises(ValueError, match=r"labels that the model does not know: 7\."):
            fitted(*rare_class(0), "TPR >= 0.3", Inventor())


class TestTransformers:
    def test_names_and_output_containers_pass_through(self, blobs):
        X, y = blobs
        frame = pd.DataFrame(X, columns=["a", "b", "c"])
        scaler = StandardScaler().set_output(transform="pandas")
        selector = make_column_transformer((scaler, ["a", "b"]), verbose_feature_names_out=False)
        model = fitted(frame, y, "ACC >= 0.6", selector.set_output(transform="pandas"))
        assert list(model.preprocessor_.get_feature_names_out()) == ["a", "b"]
        assert isinstance(model.preprocessor_.transform(frame), pd.DataFrame)
        assert model.module_.layers[1].in_features == 2
        with pytest.raises(ValueError, match="feature names should match"):
            model.predict(frame.rename(columns={"a": "z"}))

    def test_parameters_are_searched_by_name(self, blobs):
        pipeline = make_sampling_pipeline(StandardScaler(), SMOTE(random_state=0))
        model = SeldonianClassifier(
            MLP, constraints="ACC >= 0.6", preprocessor=pipeline, max_epochs=2
        )
        assert model.get_params()["preprocessor__smote__k_neighbors"] == 5
        grid = {
            "preprocessor__standardscaler__with_mean": [True, False],
            "preprocessor__smote__k_neighbors": [3],
        }
        search = GridSearchCV(model.set_params(random_state=0), grid, cv=2, scoring=solution_found)
        best = search.fit(*blobs).best_estimator_
        assert best.preprocessor_.named_steps["smote"].k_neighbors == 3

    def test_sparse_rows_may_come_in_but_not_go_on(self, blobs):
        X, y = blobs
        sparse = csr_array(np.where(X > 1, X, 0.0))
        assert fitted(sparse, y, "ACC >= 0.6", TruncatedSVD(2, random_state=0)).solution_found_
        frame = pd.DataFrame({"sign": np.where(X[:, 0] > 0, "+", "-")})
        with pytest.raises(TypeError, match=r"OneHotEncoder\(sparse_output=False\)"):
            fitted(frame, y, "ACC >= 0.6", OneHotEncoder())

    def test_images_stay_images(self, blobs):
        X, y = blobs
        images = np.tile(X[:, :, None, None], (1, 1, 4, 4)).astype(np.float32)
        module = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 4), torch.nn.Flatten())
        halve = FunctionTransformer(lambda X: X / 2)
        assert fitted(images, y, "ACC >= 0.6", halve, module=module).solution_found_

    @pytest.mark.parametrize("wrong", [3, "scaler", object()])
    def test_what_is_no_preprocessor_is_refused(self, blobs, wrong):
        with pytest.raises(ValueError, match="The 'preprocessor' parameter"):
            fitted(*blobs, "ACC >= 0.6", wrong)


class OnlyArray:
    """Rows that numpy can read, but that cannot be indexed."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype=dtype)


class TestContainers:
    @pytest.mark.parametrize("constraint", [(), "ACC >= 0.6"], ids=["no constraints", "certified"])
    def test_rows_that_cannot_be_indexed(self, blobs, constraint):
        X, y = blobs
        model = fitted(OnlyArray(X), OnlyArray(y), constraint, StandardScaler())
        same = fitted(X, y, constraint, StandardScaler())
        assert np.array_equal(model.predict(OnlyArray(X)), same.predict(X))

    @pytest.mark.parametrize("no_rows", [[], np.empty((0, 3)), pd.DataFrame(columns=["a", "b"])])
    def test_no_rows(self, blobs, no_rows):
        with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\)"):
            fitted(no_rows, [], (), StandardScaler())
        model = fitted(*blobs, (), StandardScaler())
        with pytest.raises(ValueError, match=r"0 sample|should match those that were passed"):
            model.predict(no_rows)

    @pytest.mark.parametrize("one_row", [np.zeros(3), pd.Series(np.zeros(3)), [0.0, 0.0, 0.0]])
    def test_one_row_without_its_second_dimension(self, blobs, one_row):
        model = fitted(*blobs, (), StandardScaler())
        with pytest.raises(ValueError, match=r"Reshape your data|single row|any features"):
            model.predict(one_row)

    def test_a_preprocessor_of_texts_takes_one_dimension(self):
        texts = ["good film", "bad film"] * 30
        reads_words = make_pipeline(CountVectorizer(), FunctionTransformer(lambda X: X.toarray()))
        model = fitted(texts, [1, 0] * 30, (), reads_words, max_epochs=20)
        assert model.predict(["good", "bad"]).tolist() == [1, 0]

    @pytest.mark.parametrize("target", [np.inf, -np.inf])
    def test_infinite_labels_are_refused(self, blobs, target):
        y = blobs[1].astype(float)
        y[3] = target
        with pytest.raises(ValueError, match="y contains infinity"):
            fitted(blobs[0], y, (), StandardScaler())


class Noisy(LogisticRegression):
    """Its probabilities differ in every call."""

    def predict_proba(self, X):
        noisy = np.clip(
            super().predict_proba(X)[:, 1] + 0.2 * np.random.default_rng().random(len(X)), 0, 1
        )
        return np.column_stack([1 - noisy, noisy])


def centred(X):
    return X - X.mean(axis=0)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (SeldonianClassifier(preprocessor=FunctionTransformer(centred)), "FunctionTransformer"),
        (
            SeldonianMetaClassifier(
                LogisticRegression(), preprocessor=FunctionTransformer(centred)
            ),
            "FunctionTransformer",
        ),
        (
            SeldonianMetaClassifier(
                make_pipeline(FunctionTransformer(centred), LogisticRegression())
            ),
            "Pipeline",
        ),
        (SeldonianMetaClassifier(Noisy()), "Noisy"),
    ],
)
def test_what_is_returned_for_a_row_must_not_depend_on_other_rows_or_calls(model, name):
    """The rows of a test would get other decisions one by one."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2)) * [1, 1e6] + [5, 0]
    y = (X[:, 0] + rng.normal(size=400) > 5).astype(int)
    model = clone(model).set_params(constraints="ACC >= 0.6", random_state=0)
    with pytest.raises(ValueError, match=f"The output of {name} for a row changes with"):
        model.fit(X, y)
