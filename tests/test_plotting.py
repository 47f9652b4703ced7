import matplotlib
import pytest

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.plotting import TrainingDisplay

matplotlib.use("Agg")


def test_four_panels_show_the_history(blobs):
    model = SeldonianClassifier(
        constraints=["ACC >= 0.7", "PR <= 0.9"], random_state=0, max_epochs=4
    ).fit(*blobs)
    display = TrainingDisplay.from_estimator(model).plot()
    assert len(display.figure_.axes) == 4
    loss, multipliers, bounds, lagrangian = display.axes_
    assert loss.lines[0].get_ydata().tolist() == model.history_["candidate_loss"].tolist()
    assert multipliers.lines[1].get_ydata().tolist() == model.history_["multiplier_1"].tolist()
    assert bounds.lines[0].get_ydata().tolist() == model.history_["predicted_bound_0"].tolist()
    assert lagrangian.lines[0].get_ydata().shape == (4,)
    legend = [text.get_text() for text in multipliers.get_legend().get_texts()]
    assert legend == ["ACC >= 0.7", "PR <= 0.9"]
    matplotlib.pyplot.close(display.figure_)


def test_nothing_to_show_without_constraints(blobs):
    with pytest.raises(ValueError, match="no constrained training"):
        TrainingDisplay.from_estimator(SeldonianClassifier(max_epochs=1).fit(*blobs))
