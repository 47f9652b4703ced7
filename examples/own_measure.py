"""
Can the cost of a mistake be bounded, where mistakes differ?
============================================================

A tumour that is malignant and taken for benign is a worse mistake than the reverse. Accuracy
cannot say so. A measure of one's own can: what a decision costs, on average. Here the bundled
breast cancer data are classified, and what is certified is a bound on that cost.
"""

import matplotlib
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.measures import RowMeasure
from sklearn_seldonian.plotting import TrainingDisplay

matplotlib.use("Agg")
cancer = load_breast_cancer(as_frame=True)
X, y = cancer.data, cancer.target
print(y.map(dict(enumerate(cancer.target_names))).value_counts().to_string())

# %%
# The measure
# -----------
# A function of rows' labels, decisions and probabilities. Labels and decisions are positions in
# ``classes_``. The range says between which numbers every row's cost lies; with it the
# test holds for any number of rows.

COST = np.array([[0.0, 10.0], [1.0, 0.0]])  # rows: malignant, benign; columns: the decision


def cost(y, prediction, probabilities):
    return COST[y, prediction]


measure = RowMeasure("Cost", cost, range=(0, 10))
print(f"Cost where all are taken for malignant: {y.mean():.2f}")
print(f"Cost where all are taken for benign: {10 * (1 - y.mean()):.2f}")

# %%
# Training and test
# -----------------
# The constraint names the measure. Training lowers the cost that is expected of a decision drawn
# from the probabilities; the test is on the decisions themselves.

model = SeldonianClassifier(
    constraints="Cost <= 0.5",
    measures=[measure],
    preprocessor=StandardScaler(),
    module__hidden=(),  # 285 rows of 30 columns to train on
    max_epochs=40,
    random_state=0,
)
model.fit(X, y)
print(model.certificate_.explain())

# %%
# The mistakes
# ------------
# On the safety rows: rows are what the tumour is, columns the decision.

unseen = model.safety_indices_
confusion = np.zeros((2, 2), dtype=int)
np.add.at(confusion, (y.to_numpy()[unseen], model.predict(X.iloc[unseen])), 1)
print(confusion)

# %%
# How training got there
# ----------------------

display = TrainingDisplay.from_estimator(model)
display.figure_.savefig("own_measure.png")

# %%
# The multiplier goes up while the cost is too high and comes down once the bound that the test
# would give is well within the limit: few malignant tumours are missed, and that is certified.
