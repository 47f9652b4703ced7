"""Can a network be handed out with a guarantee on its accuracy?

Trains a small convolutional network on half of the 70,000 MNIST images and certifies
``ACC >= 0.95`` on the other half, which training never saw. ``--dataset digits`` does
the same with the 1,797 small digits that scikit-learn bundles.

    python examples/mnist.py --root ../shared/data
    python examples/mnist.py --dataset digits
"""

import argparse
import time

import matplotlib
import numpy as np

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.modules import ConvNet
from sklearn_seldonian.plotting import TrainingDisplay

matplotlib.use("Agg")


def load_mnist(root):
    """All 70,000 images, shape (70000, 1, 28, 28), float32 in [0, 1], and their labels."""
    from torchvision.datasets import MNIST

    parts = [MNIST(root, train=train, download=True) for train in (True, False)]
    images = np.concatenate([part.data.numpy() for part in parts])
    labels = np.concatenate([part.targets.numpy() for part in parts])
    return images[:, None].astype(np.float32) / 255, labels


def load_small_digits():
    """The 1,797 images that scikit-learn bundles, shape (1797, 1, 8, 8), and their labels."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return digits.images[:, None].astype(np.float32) / 16, digits.target


def main(arguments):
    digits = arguments.dataset == "digits"
    X, y = load_small_digits() if digits else load_mnist(arguments.root)
    limit, epochs, lr = (0.85, 40, 5e-3) if digits else (0.95, 5, 1e-3)
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

    (result,) = model.certificate_.results
    print(f"Passed the safety test: {result.passed}")
    print(
        f"Accuracy on the {model.certificate_.n_safety:,} safety rows: {result.estimate:.4f}; "
        f"certified to be at least {result.bound:.4f} with confidence {1 - result.delta:.2f}"
    )
    print(f"Cross-entropy on the safety rows: {model.certificate_.loss:.4f}")
    print(f"Seconds: {seconds:.1f}")
    TrainingDisplay.from_estimator(model).plot().figure_.savefig(arguments.picture)
    print(f"Picture of the run: {arguments.picture}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", choices=["mnist", "digits"], default="mnist")
    parser.add_argument("--root", default="data", help="where torchvision keeps MNIST")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--epochs", type=int, help="default: 5 for MNIST, 40 for digits")
    parser.add_argument("--batch-size", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--softmax", action="store_true", help="end the network in a Softmax")
    parser.add_argument("--picture", help="file to draw to; default: <dataset>.png")
    chosen = parser.parse_args()
    chosen.picture = chosen.picture or f"{chosen.dataset}.png"
    main(chosen)
