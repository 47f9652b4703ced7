"""
Can loans be granted without disparate impact?
==============================================

The 1,000 German credit records show who repaid a loan. Three in ten of the people are women, and
women repaid a little less often. A model may help to decide who is granted a loan. The constraint
is the four-fifths rule: the share of women who are granted a loan must be at least eight tenths of
the share of men, and vice versa. With so few rows, this is hard to prove.

The data do not come with the package. The example reads them from ``../shared/data/german``,
relative to the repository. The environment variable ``GERMAN_CREDIT`` names another folder.
"""

import os
import sys
from pathlib import Path

import matplotlib
import pandas as pd
from sklearn.linear_model import LogisticRegression

from sklearn_seldonian import SeldonianClassifier, certify
from sklearn_seldonian.modules import MLP
from sklearn_seldonian.plotting import CertificateDisplay

matplotlib.use("Agg")
default = Path(sys.argv[0]).resolve().parents[2] / "shared" / "data" / "german"
path = Path(os.environ.get("GERMAN_CREDIT", default)) / "german.csv"
if not path.exists():
    raise SystemExit(
        f"This example needs the German credit data, and there is no {path}. It is UCI's Statlog "
        "set (CC BY 4.0), with categories one-hot encoded, columns F and M, and credit_rating "
        "(1: not repaid). Put it there, or name its folder in GERMAN_CREDIT."
    )

# %%
# The records
# -----------
# The sex is given to the constraint, not to the model. As a label, 1 means that the loan was
# repaid. As a decision, 1 means that a loan is granted. So the positive rate ``PR`` is the share of
# people who get a loan.

records = pd.read_csv(path)
repaid = 1 - records["credit_rating"]
groups = records[["M", "F"]].astype(int)
X = records.drop(columns=["credit_rating", "M", "F"])
print(f"{len(records)} records, {X.shape[1]} features")
print(repaid.groupby(groups["F"]).agg(["size", "mean"]).rename({0: "men", 1: "women"}))

# %%
# A linear model, and its test
# ----------------------------
# Six tenths of the rows are kept for the test. The proof needs many women, and only three in ten
# rows are women.

constraint = "min(PR | [M] / PR | [F], PR | [F] / PR | [M]) >= 0.8"
model = SeldonianClassifier(
    MLP, constraint, module__hidden=(), safety_size=0.6, max_epochs=40, random_state=0
)
model.fit(X, repaid, sensitive_features=groups)
print(model.certificate_.explain())

# %%
# Compared with logistic regression
# ---------------------------------
# Logistic regression without a constraint is fitted to the same candidate rows and tested on the
# same safety rows.

seen, unseen = model.candidate_indices_, model.safety_indices_
plain = LogisticRegression(max_iter=1000).fit(X.iloc[seen], repaid[seen])
test = certify(
    plain, X.iloc[unseen], repaid[unseen], constraint, sensitive_features=groups.iloc[unseen]
)
print(test.explain())
for name, estimator in {"logistic regression": plain, "with the constraint": model}.items():
    granted = estimator.predict(X.iloc[unseen])
    accuracy = (granted == repaid[unseen]).mean()
    print(f"{name}: accuracy {accuracy:.3f}, loans for {granted.mean():.3f} of all")

# %%
# The certificate
# ---------------

display = CertificateDisplay.from_estimator(model)
display.figure_.savefig("german_credit.png")

# %%
# The shares of men and women who are granted a loan are nearly the same. The 194 women among the
# safety rows are enough to prove the four-fifths rule. Logistic regression passes as well, but only
# the test shows this.
