"""
What can be certified when the sex of most people is not recorded?
==================================================================

The predictor of grades of the GPA example, where the sex of 30% of the students is known. All of
them train, and all are tested for accuracy; parity is a question about those whose sex is known.
The Seldonian Engine's tutorial N gives these rows as a data set of their own.
"""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.preprocessing import StandardScaler

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.datasets import load_gpa
from sklearn_seldonian.modules import MLP

matplotlib.use("Agg")
gpa = load_gpa(as_frame=True)
sex = pd.Series(np.where(gpa.sensitive_features["M"] == 1, "M", "F"), name="sex")
constraints = ["ACC >= 0.58", 'abs(PR | [sex == "F"] - PR | [sex == "M"]) <= 0.1']

# %%
# Two ways, and a sex that is known for some
# ------------------------------------------
# ``missing="exclude"`` takes rows without a value: they train, and count for accuracy, but meet no
# condition on the column, neither ``sex == "F"`` nor ``sex != "F"``. Without it, they would have to
# be left out.

shares = [0.15, 0.3, 1.0]
drawn = np.random.default_rng(0).random(len(sex))
rows = {"all students": [], "only those whose sex is known": []}
for share in shares:
    known = drawn < share
    for way, found in rows.items():
        used = np.ones(len(sex), dtype=bool) if way == "all students" else known
        model = SeldonianClassifier(
            MLP,
            constraints,
            module__hidden=(),
            missing="exclude",
            preprocessor=StandardScaler(),
            max_epochs=5,
            random_state=0,
        )
        groups = sex.where(known)[used]
        model.fit(gpa.data[used], gpa.target[used], sensitive_features=groups)
        found.append(model.certificate_)
    if share == 0.3:
        print(rows["all students"][-1].explain())

# %%
# The certificate says in how many rows the sex is not recorded, and what follows: the gap is that
# of students whose sex is recorded. It is the gap of all students if, among the women and among the
# men, those with a record are not decided otherwise than those without.
#
# What the records are worth
# --------------------------

limits = [0.58, 0.1]
figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
for ax, limit, position, name in zip(axes, limits, (0, 1), ("accuracy", "gap"), strict=True):
    for way, found in rows.items():
        bounds = [certificate.results[position].bound for certificate in found]
        ax.plot(shares, bounds, marker="o", label=f"certified, {way}")
    ax.axhline(limit, color="black", linewidth=0.8, label="limit")
    ax.set(xlabel="share of students whose sex is known", title=name)
axes[0].legend()
figure.savefig("unknown_groups.png")
for position, name in enumerate(("accuracy", "gap")):
    for way, found in rows.items():
        bounds = "  ".join(f"{certificate.results[position].bound:.3f}" for certificate in found)
        print(f"{name:8}  {way:30}  {bounds}")

# %%
# All are certified. With the students whose sex is not known the certified accuracy is at least as
# high, since more of them train and are tested. The gap rests on the same records either way.
