"""
Can the cost of mistakes be limited if some cost more than others?
==================================================================

To take a malignant tumour for a benign one is a worse mistake than the reverse. Accuracy does not
show the difference. Your own measure can: the mean cost of a decision. Here a model classifies the
breast cancer data of scikit-learn, and a limit on the mean cost is certified.
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
# A measure is a function of the labels, decisions and probabilities of rows. Labels and decisions
# are positions in ``classes_``. The range gives the least and the greatest possible cost of a row.
# It makes the test valid for any number of rows.

COST = np.array([[0.0, 10.0], [1.0, 0.0]])  # rows: malignant, benign; columns: the decision


def cost(y, prediction, probabilities):
    return COST[y, prediction]


measure = RowMeasure("Cost", cost, range=(0, 10))
print(f"Mean cost if all are classified as malignant: {y.mean():.2f}")
print(f"Mean cost if all are classified as benign: {10 * (1 - y.mean()):.2f}")

# %%
# Training and test
# -----------------
# The constraint names the measure. Training lowers the expected cost of a decision that is drawn
# from the probabilities. The test is about the decisions of ``predict``.

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
# Counts on the safety rows. The table has one row per label and one column per decision.

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
# The multiplier rises while the cost is too high. It falls once the predicted bound is well within
# the limit. Few malignant tumours are missed, and the limit on the cost is certified.
