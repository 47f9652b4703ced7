"""Write figures to docs/_static: all, or those that are named.

cd docs; python -m figures [one_rate.svg ...]
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt

from figures import FIGURES

STATIC = Path(__file__).resolve().parents[1] / "_static"


def main(names: list[str], folder: Path = STATIC) -> None:
    """Write the figures of these names, or all, the same bytes each time."""
    plt.switch_backend("Agg")
    plt.rcParams["svg.hashsalt"] = "sklearn-seldonian"
    for name in names or FIGURES:
        with plt.rc_context({"font.size": 9}):
            figure = FIGURES[name]()
            is_svg = name.endswith(".svg")
            look = {"metadata": {"Date": None}} if is_svg else {"dpi": 130, "facecolor": "white"}
            figure.savefig(folder / name, **look)
        plt.close(figure)


if __name__ == "__main__":
    main(sys.argv[1:])
