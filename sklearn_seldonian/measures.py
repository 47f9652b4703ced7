"""What each measure means.

A *rate* is the share of some kind of decision among some kind of rows. With K
classes a row falls into one of K x K squares (its label y, its prediction ŷ), and
every rate is two K x K tables over them: `mask`, the squares that count at all, and
`value`, those of them that count as a success. The tables serve hard decisions
(count rows) and soft ones (put each row's probability of class j into square
(y, j)) alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["RATES", "Rate", "RateDefinition"]

Table = NDArray[np.bool_]


@dataclass(frozen=True)
class Rate:
    """The share of `value` squares among `mask` squares; both row-major K x K.

    Rates with the same tables are equal, whatever they are called.
    """

    n_classes: int
    mask_bytes: bytes = field(repr=False)
    value_bytes: bytes = field(repr=False)
    name: str = field(compare=False)

    @classmethod
    def from_tables(cls, name: str, mask: Table, value: Table) -> Rate:
        return cls(len(mask), mask.tobytes(), (mask & value).tobytes(), name)

    @property
    def mask(self) -> Table:
        return self._table(self.mask_bytes)

    @property
    def value(self) -> Table:
        return self._table(self.value_bytes)

    def canonical(self, complement_name: str) -> Rate:
        """This rate or its complement: a rate and its complement are one variable.

        It is the one with fewer success squares; of two with equally many (binary PR and
        NR, ACC and ERR), the one whose successes include the last square of the mask.
        """
        complement = Rate.from_tables(complement_name, self.mask, self.mask & ~self.value)
        last = np.flatnonzero(self.mask)[-1]
        return min(self, complement, key=lambda rate: (rate.value.sum(), not rate.value.flat[last]))

    @property
    def conditions_on_prediction(self) -> bool:
        """Whether which rows count depends on what the model predicts."""
        return bool((self.mask != self.mask[:, :1]).any())

    def _table(self, content: bytes) -> Table:
        return np.frombuffer(content, dtype=np.bool_).reshape(self.n_classes, self.n_classes)


class RateDefinition(NamedTuple):
    """How a measure's name becomes a rate.

    `tables` takes the label y and prediction ŷ of every square (two K x K integer
    arrays) and the class positions, and returns (mask, value). `complement` names
    the measure that is one minus this one.
    """

    n_indices: int
    tables: Callable[..., tuple[NDArray[np.bool_], NDArray[np.bool_]]]
    complement: str

    def rate(self, name: str, n_classes: int, indices: tuple[int, ...]) -> Rate:
        label, prediction = np.indices((n_classes, n_classes))
        mask, value = self.tables(label, prediction, *indices)
        return Rate.from_tables(name, mask, value)


def _everywhere(y: NDArray[np.int_]) -> Table:
    return np.ones(y.shape, dtype=np.bool_)


RATES: Mapping[str, RateDefinition] = MappingProxyType(
    {
        "ACC": RateDefinition(0, lambda y, p: (_everywhere(y), y == p), complement="ERR"),
        "ERR": RateDefinition(0, lambda y, p: (_everywhere(y), y != p), complement="ACC"),
        "PR": RateDefinition(1, lambda y, p, k: (_everywhere(y), p == k), complement="NR"),
        "NR": RateDefinition(1, lambda y, p, k: (_everywhere(y), p != k), complement="PR"),
        "TPR": RateDefinition(1, lambda y, p, k: (y == k, p == k), complement="FNR"),
        "FNR": RateDefinition(1, lambda y, p, k: (y == k, p != k), complement="TPR"),
        "FPR": RateDefinition(1, lambda y, p, k: (y != k, p == k), complement="TNR"),
        "TNR": RateDefinition(1, lambda y, p, k: (y != k, p != k), complement="FPR"),
    }
)
