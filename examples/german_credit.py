"""
Can loans be granted without disparate impact?
==============================================

The 1,000 German credit records say who repaid. Women make up three in ten of them, and repaid a
little less often. A model may help decide whom to grant a loan, but the share of women
who are granted one should be at least eight tenths of the men's share, and the other way
round: the four-fifths rule. With so few rows, that takes some proof.

The data are not shipped with the package. They are looked for in ``../shared/data/german``,
seen from the repository; another folder is named with the environment variable
``GERMAN_CREDIT``.
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
# The model is not told who is a woman; the constraint is. Label 1, a loan repaid, stands for a loan
# granted among the decisions, so that the positive rate ``PR`` is the share who get one.

records = pd.read_csv(path)
repaid = 1 - records["credit_rating"]
groups = records[["M", "F"]].astype(int)
X = records.drop(columns=["credit_rating", "M", "F"])
print(f"{len(records)} records, {X.shape[1]} features")
print(repaid.groupby(groups["F"]).agg(["size", "mean"]).rename({0: "men", 1: "women"}))

# %%
# A linear model, and its test
# ----------------------------
# Six tenths of the rows are kept for the test: with few women among them, proof is what is scarce.

constraint = "min(PR | [M] / PR | [F], PR | [F] / PR | [M]) >= 0.8"
model = SeldonianClassifier(
    MLP, constraint, module__hidden=(), safety_size=0.6, max_epochs=40, random_state=0
)
model.fit(X, repaid, sensitive_features=groups)
print(model.certificate_.explain())

# %%
# Beside logistic regression
# --------------------------

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
# The shares of men and women who are granted a loan are nearly the same, and 194 women among the
# safety rows are enough to prove them within four fifths of each other. Logistic regression
# would have passed as well: what it lacks is not fairness at this limit, but anybody's word for it.
