"""
How can settings be searched without losing the certificate?
============================================================

If you try settings until one passes the safety test, one eventually passes by chance. The search of
this package compares settings on the candidate rows only. There is one safety test for any number
of settings. Here the search chooses the hidden layers of a network and its learning rate. The
constraint: the shares of men and women who are predicted to succeed differ by at most 0.1.
"""

import matplotlib
import matplotlib.pyplot as plt
import pandas as pd
from sklearn.preprocessing import StandardScaler

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.datasets import load_gpa
from sklearn_seldonian.model_selection import SeldonianSearchCV

matplotlib.use("Agg")
gpa = load_gpa(as_frame=True)
X, y, groups = (part[:8_000] for part in (gpa.data, gpa.target, gpa.sensitive_features))

# %%
# The search
# ----------
# The grid may have parameters of training. The constraints, delta and the split determine the
# guarantee, so the search does not accept them in the grid.

model = SeldonianClassifier(
    constraints="abs(PR | [M] - PR | [F]) <= 0.1",
    preprocessor=StandardScaler(),
    max_epochs=5,
    random_state=0,
)
grid = {"module__hidden": [(), (16,), (64, 64)], "lr": [1e-4, 1e-3, 1e-2]}
search = SeldonianSearchCV(model, grid, cv=2)
search.fit(X, y, sensitive_features=groups)

# %%
# The results on candidate rows
# -----------------------------
# The table shows, for each setting, the predicted probability of passing the safety test and the
# error rate. Both are means over the folds.

table = pd.DataFrame(search.cv_results_)
columns = ["param_module__hidden", "param_lr", "mean_test_passing", "mean_test_error"]
print(table.sort_values("rank_test_score")[columns].round(3).to_string(index=False))

# %%
# The safety test
# ---------------

print(search.best_params_)
print(search.certificate_.explain())

# %%
# The comparison
# --------------

figure, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
looks = [("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "D")]  # safe for colour-blind readers
for (hidden, rows), (color, marker) in zip(
    table.groupby("param_module__hidden"), looks, strict=True
):
    passing, error = rows["mean_test_passing"], rows["mean_test_error"]
    ax.scatter(passing, error, color=color, marker=marker, label=hidden)
best = table.loc[search.best_index_]
ax.annotate(
    "chosen",
    (best["mean_test_passing"], best["mean_test_error"]),
    (8, -4),
    textcoords="offset points",
)
ax.axvline(model.power, color="0.5", linestyle=":", label="requested power")
ax.set(xlabel="Predicted probability of passing", ylabel="Error rate")
ax.legend(title="hidden layers", frameon=False)
figure.savefig("search.png")

# %%
# All settings are predicted to pass with at least the requested power. Among them, the search chose
# the one with the lowest error rate. It passed the safety test.
