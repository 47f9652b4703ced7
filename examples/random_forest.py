"""
What can be certified about a random forest?
============================================

The forest was trained by somebody else, without constraints. ``certify`` needs only its
``predict``, and rows that it was not trained on. Here the forest predicts students' success from
their entrance exams. How often is it wrong, and does it treat men and women alike?
"""

import matplotlib
from sklearn.ensemble import RandomForestClassifier

from sklearn_seldonian import certify, required_safety_rows
from sklearn_seldonian.datasets import load_gpa
from sklearn_seldonian.plotting import CertificateDisplay

matplotlib.use("Agg")
gpa = load_gpa(as_frame=True)
X, y, groups = gpa.data, gpa.target, gpa.sensitive_features

# %%
# The forest
# ----------

forest = RandomForestClassifier(n_estimators=50, min_samples_leaf=20, random_state=0)
forest.fit(X[:10_000], y[:10_000])

# %%
# How many rows does the test need?
# ---------------------------------
# Answer this question before you use any safety rows. You need the rates that you expect of the
# forest. Use rows for one test only: if you repeat tests until one passes, the certificate proves
# nothing.

constraints = [
    "ACC >= 0.6",
    "abs(PR | [M] - PR | [F]) <= 0.1",
    "max(FPR | [M], FPR | [F]) <= 0.3",
]
shares = {"PR | [M]": 0.5, "PR | [F]": 0.5}
print(required_safety_rows(constraints[0], {"ACC": 0.63}))
print(required_safety_rows(constraints[1], {"PR | [M]": 0.35, "PR | [F]": 0.4}, shares))

# %%
# The test
# --------
# All constraints are tested at once. The probability that a violated constraint is certified is at
# most 0.05.

rows = slice(10_000, 20_000)
certificate = certify(forest, X[rows], y[rows], constraints, sensitive_features=groups[rows])
print(certificate.explain())

# %%
# The certificate
# ---------------

display = CertificateDisplay.from_certificate(certificate)
display.figure_.savefig("random_forest.png")

# %%
# Two constraints are certified: the accuracy, and the false positive rates of men and women. The
# constraint on the difference between the positive rates is not certified, because the rates differ
# by more than 0.1 on these rows. More rows would probably not help.
