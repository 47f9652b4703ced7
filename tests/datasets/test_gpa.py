import pytest

from sklearn_seldonian.datasets import load_gpa


def test_class_target():
    gpa = load_gpa()
    assert gpa.data.shape == (43303, 9)
    assert gpa.target.shape == (43303,)
    assert 1 - gpa.target.mean() == pytest.approx(0.532, abs=5e-4)  # the share of the majority
    assert gpa.frame is None
    assert list(gpa.sensitive_features.columns) == ["M", "F"]
    assert (gpa.sensitive_features.sum(axis=1) == 1).all()


def test_gpa_target_agrees_with_the_class():
    values, classes = load_gpa(target="gpa"), load_gpa()
    assert ((values.target >= 3.0) == classes.target).all()
    assert values.target.min() >= 0
    assert values.target.max() <= 4


def test_frame_and_tuple():
    gpa = load_gpa(as_frame=True)
    assert gpa.frame.shape == (43303, 12)
    X, y = load_gpa(as_frame=True, return_X_y=True)
    assert X.equals(gpa.data)
    assert y.equals(gpa.target)


def test_wrong_target():
    with pytest.raises(ValueError, match="target must be 'class' or 'gpa', got 'grade'"):
        load_gpa(target="grade")
