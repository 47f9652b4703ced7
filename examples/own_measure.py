"""
Can the cost of errors be limited if some errors cost more than others?
=======================================================================

It is a worse error to classify a malignant tumour as benign than the reverse. Accuracy does not
show the difference. A measure of your own can: the mean cost of a decision. Here a model classifies
the breast cancer data of scikit-learn, and a limit on the mean cost is certified.
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
# are positions in ``classes_``. The range has the smallest and the largest possible cost of a row.
# With it, the test is valid for any number of rows.

COST = np.array([[0.0, 10.0], [1.0, 0.0]])  # rows: malignant, benign; columns: the decision


def cost(y, prediction, probabilities):
    return COST[y, prediction]


measure = RowMeasure("Cost", cost, range=(0, 10))
print(f"Mean cost if all are classified as malignant: {y.mean():.2f}")
print(f"Mean cost if all are classified as benign: {10 * (1 - y.mean()):.2f}")

# %%
# Training and test
# -----------------
# The constraint names the measure. Training reduces the expected cost of a decision that is drawn
# from the probabilities. The test uses the decisions of ``predict``.

model = SeldonianClassifier(
    constraints="Cost <= 0.5",
    measures=[measure],
    preprocessor=StandardScaler(),
    module__hidden=(),  # linear, because there are only 285 candidate rows
    max_epochs=40,
    random_state=0,
)
model.fit(X, y)
print(model.certificate_.explain())

# %%
# The errors
# ----------
# The table counts the safety rows. It has one row per label and one column per decision.

unseen = model.safety_indices_
confusion = np.zeros((2, 2), dtype=int)
np.add.at(confusion, (y.to_numpy()[unseen], model.predict(X.iloc[unseen])), 1)
print(confusion)

# %%
# The course of training
# ----------------------

display = TrainingDisplay.from_estimator(model)
display.figure_.savefig("own_measure.png")

# %%
# The multiplier increases while the cost is too high. It decreases when the predicted bound is well
# below the limit. Few malignant tumours are missed, and the limit on the cost is certified.
