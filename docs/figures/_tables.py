"""The numbers that benchmarks measured."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

TABLES = Path(__file__).resolve().parents[2] / "benchmarks" / "tables"


def read_table(name: str) -> pd.DataFrame:
    """A table of benchmarks/tables, whose first line says which command made its numbers."""
    return pd.read_csv(TABLES / name, comment="#")
