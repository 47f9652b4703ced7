"""How much longer does a certified fit take than a bare torch loop?

Both train the tutorial's convolutional network on 35,000 MNIST images (batch 150) and make one
pass over the other 35,000. The bare loop also has its data in memory, channels_last and fused
Adam. Runs alternate in one process. The results are ratios of medians.

    python benchmarks/mnist_speed.py --root ../shared/data
"""

import argparse
import statistics
import time

import numpy as np
import torch
from torch import nn
from torchvision.datasets import MNIST

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.modules import ConvNet

BATCH_SIZE, LR = 150, 1e-3


def load(root):
    parts = [MNIST(root, train=train, download=False) for train in (True, False)]
    images = np.concatenate([part.data.numpy() for part in parts])
    labels = np.concatenate([part.targets.numpy() for part in parts])
    return images[:, None].astype(np.float32) / 255, labels


def synchronise(device):
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def bare_loop(X, y, epochs, device, seed):
    """Train on a random half, evaluate on the other; seconds and accuracy."""
    start = time.perf_counter()
    torch.manual_seed(seed)
    order = torch.randperm(len(X))
    X, y = torch.from_numpy(X).to(device), torch.from_numpy(y).to(device)
    train, test = order[: len(X) // 2].to(device), order[len(X) // 2 :].to(device)
    module = ConvNet().to(device).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(module.parameters(), lr=LR, fused=True)
    for _ in range(epochs):
        shuffled = train[torch.randperm(len(train)).to(device)]
        for batch in shuffled.split(BATCH_SIZE):
            optimizer.zero_grad()
            nn.functional.cross_entropy(module(X[batch]), y[batch]).backward()
            optimizer.step()
    module.eval()
    with torch.no_grad():
        right = sum((module(X[b]).argmax(1) == y[b]).sum() for b in test.split(1024))
    accuracy = float(right) / len(test)
    synchronise(device)
    return time.perf_counter() - start, accuracy


def certified_fit(X, y, epochs, device, seed):
    """The same with a certificate for ``ACC >= 0.95``; seconds and accuracy."""
    start = time.perf_counter()
    model = SeldonianClassifier(
        ConvNet,
        "ACC >= 0.95",
        lr=LR,
        max_epochs=epochs,
        batch_size=BATCH_SIZE,
        device=device,
        random_state=seed,
    ).fit(X, y)
    synchronise(device)
    seconds = time.perf_counter() - start
    assert model.solution_found_
    return seconds, model.certificate_.results[0].estimate


def main(arguments):
    X, y = load(arguments.root)
    runs = {"bare torch loop": bare_loop, "certified fit": certified_fit}
    seconds = {name: [] for name in runs}
    accuracies = {name: [] for name in runs}
    bare_loop(X[:3000], y[:3000], 1, arguments.device, 0)  # libraries load on first use
    for repeat in range(arguments.repeats):
        names = list(runs) if repeat % 2 == 0 else list(runs)[::-1]
        for name in names:
            time_taken, accuracy = runs[name](X, y, arguments.epochs, arguments.device, repeat)
            seconds[name].append(time_taken)
            accuracies[name].append(accuracy)
    print(f"{'':16}  median s  all s                 accuracy")
    for name, values in seconds.items():
        listed = " ".join(f"{value:.1f}" for value in values)
        print(
            f"{name:16}  {statistics.median(values):8.1f}  {listed:20}  "
            f"{statistics.median(accuracies[name]):.4f}"
        )
    ratio = statistics.median(seconds["certified fit"]) / statistics.median(
        seconds["bare torch loop"]
    )
    print(f"ratio of medians: {ratio:.3f}")
    assert ratio <= arguments.most, f"the certified fit took {ratio:.2f} times the bare loop"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", default="../shared/data")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--most", type=float, default=1.1, help="largest ratio allowed")
    main(parser.parse_args())
