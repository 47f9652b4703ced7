"""
Can a network get a guarantee on its accuracy?
==============================================

This example trains a small convolutional network on half of the 70,000 MNIST images. It certifies
``ACC >= 0.95`` on the other half, which is not used for training. If it does not find MNIST, it
uses the 1,797 small digits of scikit-learn instead, with ``ACC >= 0.85``.

From a shell, ``--root folder`` names the folder that contains torchvision's copy of MNIST, or to
which it is downloaded. ``--dataset digits`` uses the small digits. ``--help`` lists the other
options.
"""

import argparse
import sys
import time
from pathlib import Path

import matplotlib
import numpy as np
from sklearn.datasets import load_digits

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.modules import ConvNet
from sklearn_seldonian.plotting import TrainingDisplay

matplotlib.use("Agg")
shared = Path(sys.argv[0]).resolve().parents[2] / "shared" / "data"

parser = argparse.ArgumentParser(description="A network with a certified accuracy.")
parser.add_argument("--dataset", choices=["mnist", "digits"], help="default: MNIST if found")
parser.add_argument("--root", help="torchvision's folder of MNIST; default: ../shared/data")
parser.add_argument("--device", default="auto")
parser.add_argument("--epochs", type=int, help="default: 5 for MNIST, 40 for digits")
parser.add_argument("--batch-size", type=int, default=150)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--softmax", action="store_true", help="add a Softmax as the last layer")
parser.add_argument("--picture", help="file of the figure; default: <dataset>.png")
arguments = parser.parse_args()
found = arguments.root or (shared / "MNIST").exists()
dataset = arguments.dataset or ("mnist" if found else "digits")

# %%
# The images
# ----------
# The array of images has the shape (n, 1, pixels, pixels), and is float32 in [0, 1].

if dataset == "mnist":
    from torchvision.datasets import MNIST

    root = arguments.root or shared
    parts = [MNIST(root, train=train, download=True) for train in (True, False)]
    images = np.concatenate([part.data.numpy() for part in parts]) / np.float32(255)
    y = np.concatenate([part.targets.numpy() for part in parts])
    limit, epochs, lr = 0.95, 5, 1e-3
else:
    images, y = load_digits().images.astype(np.float32) / 16, load_digits().target
    limit, epochs, lr = 0.85, 40, 5e-3
X = images[:, None]
print(f"{dataset}: {X.shape}, {X.dtype}")

# %%
# Training and test in one call
# -----------------------------
# Parameters that begin with ``module__`` are passed to the network. After each epoch, the printed
# table compares the predicted bound on the accuracy with its limit.

model = SeldonianClassifier(
    ConvNet,
    f"ACC >= {limit}",
    module__image_size=X.shape[-1],
    module__softmax=arguments.softmax,
    lr=lr,
    max_epochs=arguments.epochs or epochs,
    batch_size=arguments.batch_size,
    device=arguments.device,
    random_state=arguments.seed,
    verbose=1,
)
start = time.perf_counter()
model.fit(X, y)
seconds = time.perf_counter() - start

# %%
# The certificate
# ---------------

(result,) = model.certificate_.results
print(f"Passed the safety test: {result.passed}")
print(
    f"Accuracy on the {model.certificate_.n_safety:,} safety rows: {result.estimate:.4f}; "
    f"certified to be at least {result.bound:.4f} at confidence level {1 - result.delta:.2f}"
)
print(f"Cross-entropy on the safety rows: {model.certificate_.loss:.4f}")
print(f"Seconds: {seconds:.1f}")

# %%
# The course of training
# ----------------------

display = TrainingDisplay.from_estimator(model)
display.figure_.savefig(arguments.picture or f"{dataset}.png")

# %%
# ``g`` is the limit minus the accuracy. Its predicted bound is below zero after a few epochs. Then
# the multiplier decreases. A lower loss also helps this constraint, so there is no trade-off.
