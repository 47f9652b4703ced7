import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.metrics import solution_found


def test_inside_pipelines_and_searches(blobs):
    model = SeldonianClassifier(constraints="ACC >= 0.7", random_state=0, max_epochs=5)
    pipeline = make_pipeline(StandardScaler(), model)
    assert solution_found(pipeline.fit(*blobs)) == 1.0
    search = GridSearchCV(pipeline, {"seldonianclassifier__lr": [0.01]}, scoring=solution_found)
    assert solution_found(search.fit(*blobs)) == 1.0


@pytest.mark.filterwarnings("ignore::sklearn_seldonian.NoSolutionFoundWarning")
@pytest.mark.parametrize(("limit", "found"), [(0.7, 1.0), (0.985, 0.0)])
def test_in_cross_validation(blobs, limit, found):
    model = SeldonianClassifier(constraints=f"ACC >= {limit}", random_state=0, max_epochs=5)
    scores = cross_validate(model, *blobs, cv=2, scoring=solution_found)
    assert (scores["test_score"] == found).all()


def test_other_estimators_are_refused(blobs):
    with pytest.raises(AttributeError):
        solution_found(LogisticRegression().fit(*blobs))
