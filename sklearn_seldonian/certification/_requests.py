"""What is asked of a test: deltas, the order of rows, rates and shares."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

import numpy as np

from sklearn_seldonian._text import short
from sklearn_seldonian._warnings import warn_user
from sklearn_seldonian.certification._evidence import has_finite_ranges
from sklearn_seldonian.certification._specification import BoundSpecification
from sklearn_seldonian.data import _arguments

# From here on a delta is likelier to be meant as a confidence level.
LARGE_DELTA = 0.5
# A pattern of its warning, for functions that call others which warn of it again.
LARGE_DELTA_WARNING = "delta=.* is the probability of error"


def check_deltas(delta: Any, n_constraints: int) -> tuple[float, ...]:
    """One delta a constraint, each strictly between 0 and 1."""
    deltas = np.atleast_1d(_arguments.numbers("delta", delta))
    if deltas.ndim != 1 or len(deltas) not in (1, n_constraints):
        raise ValueError(
            f"delta must be one number, or one for each of the {n_constraints} constraints; "
            f"got {deltas.size} numbers."
        )
    if not ((deltas > 0) & (deltas < 1)).all():
        raise ValueError(f"delta must be strictly between 0 and 1, got {delta!r}.")
    return tuple(np.broadcast_to(deltas, n_constraints).tolist())


def order_seed(random_state: Any) -> int:
    """A seed for the order in which rows are tested: itself where it is one.

    Raises
    ------
    ValueError
        If `random_state` is none of an int from 0 to 2**32 - 1, a RandomState and None.
    """
    if random_state is None:
        return secrets.randbits(32)
    if isinstance(random_state, np.random.RandomState):
        return drawn_seed(random_state)
    if isinstance(random_state, int | np.integer) and 0 <= random_state < 2**32:
        return int(random_state)
    raise ValueError(
        "random_state must be None, which draws an order anew, an int from 0 to 2**32 - 1, such as "
        f"the order_seed of a certificate to repeat, or a RandomState; got {random_state!r}."
    )


def drawn_seed(rng: np.random.RandomState) -> int:
    """A seed for an order, from a RandomState."""
    return int(rng.randint(2**32, dtype=np.uint32))


def warn_of_large_delta(deltas: Iterable[float]) -> None:
    """Warn, once, where one of some deltas is likelier to be meant as a confidence level."""
    largest = max(deltas, default=0.0)
    if largest >= LARGE_DELTA:
        warn_user(
            f"delta={largest:g} is the probability of error: a violated constraint may pass with "
            f"this probability. The confidence level is 1 - delta, here {1 - largest:.4g}. For "
            f"a confidence level of {largest:g}, write delta={1 - largest:.4g}."
        )


def check_choice(name: str, value: Any, choices: Iterable[str]) -> None:
    """Refuse a `value` that is not one of the `choices`."""
    if not isinstance(value, str) or value not in choices:
        listed = ", ".join(map(repr, choices))
        raise ValueError(f"{name} must be one of {listed}, got {short(value)}.")


def check_ranges(specification: BoundSpecification, remedy: str) -> None:
    """Warn of constraints that only a normal approximation can test; refuse them where told to.

    Which measures have a finite range is read from the constraints of a BoundSpecification;
    `remedy` says how they would get one.
    """
    method = specification.source.method
    if method not in ("auto", "exact"):
        return
    for constraint in specification.constraints:
        estimands = constraint.tested_means
        unbounded = [estimand.label for estimand in estimands if not has_finite_ranges([estimand])]
        if not unbounded or constraint.is_impossible:  # which is not tested at all
            continue
        names = ", ".join(unbounded)
        if method == "exact":
            raise ValueError(
                f"{constraint.source.text!r} has no finite-sample test: {names} has no finite "
                f'range. {remedy}, or use method="auto".'
            )
        warn_user(
            f"{constraint.source.text!r} is tested by a normal approximation only: {names} has no "
            f"finite range. {remedy} for a finite-sample test."
        )


def check_share(name: str, value: Any) -> float:
    """A number from 0 to 1."""
    share = _arguments.number(name, value)
    if not 0 <= share <= 1:
        raise ValueError(f"{name} must be between 0 and 1, got {value!r}.")
    return share


def check_factor(name: str, value: Any) -> float:
    """A finite number from 1 on."""
    factor = _arguments.number(name, value)
    if not 1 <= factor < math.inf:
        raise ValueError(f"{name} must be at least 1, got {value!r}.")
    return factor


def check_count(name: str, value: Any) -> int:
    """A whole number from 0 on."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    # Beyond 2 ** 53 not all whole numbers are floats, and some integers fit no float at all.
    if not number or not 0 <= value <= 2**53 or value != int(value):
        raise ValueError(
            f"{name} must be a whole number of rows from 0 to 2**53, got {short(value)}."
        )
    return int(value)


def check_mapping(name: str, value: Any) -> Mapping[str, Any]:
    """Numbers keyed by the texts of measures."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError(
            f"{name} must map the text of each measure to a number, as {{'PR | [M]': 0.4}}; "
            f"got {value!r}."
        )
    return value


def check_probability(name: str, value: Any) -> float:
    """A number strictly between 0 and 1."""
    probability = _arguments.number(name, value)
    if not 0 < probability < 1:
        raise ValueError(f"{name} must be strictly between 0 and 1, got {value!r}.")
    return probability
