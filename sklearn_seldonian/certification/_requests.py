"""Checks of the parameters of tests: deltas, the order of rows, rates and shares."""

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
from sklearn_seldonian.measures import Range

# A delta of this size or larger was probably meant as a confidence level.
LARGE_DELTA = 0.5
# A pattern of the warning, for functions whose callees would warn again.
LARGE_DELTA_WARNING = "delta=.* is the probability of error"


def check_deltas(delta: Any, n_constraints: int) -> tuple[float, ...]:
    """One delta per constraint, each strictly between 0 and 1."""
    deltas = np.atleast_1d(_arguments.numbers("delta", delta))
    if deltas.ndim != 1 or len(deltas) not in (1, n_constraints):
        raise ValueError(
            f"delta must be one number, or one per constraint (here {n_constraints}); "
            f"got {deltas.size} numbers."
        )
    if not ((deltas > 0) & (deltas < 1)).all():
        raise ValueError(f"delta must be strictly between 0 and 1, got {delta!r}.")
    return tuple(np.broadcast_to(deltas, n_constraints).tolist())


def order_seed(random_state: Any) -> int:
    """The seed of the order in which rows are tested; an int is used as it is.

    Raises
    ------
    ValueError
        If `random_state` is not None, a RandomState, or an int from 0 to 2**32 - 1.
    """
    if random_state is None:
        return secrets.randbits(32)
    if isinstance(random_state, np.random.RandomState):
        return drawn_seed(random_state)
    if isinstance(random_state, int | np.integer) and 0 <= random_state < 2**32:
        return int(random_state)
    raise ValueError(
        "random_state must be None, an int from 0 to 2**32 - 1 or a RandomState; got "
        f"{random_state!r}. None draws a new order; the order_seed of a certificate repeats its "
        "order."
    )


def drawn_seed(rng: np.random.RandomState) -> int:
    """A seed for an order, from a RandomState."""
    return int(rng.randint(2**32, dtype=np.uint32))


def warn_of_large_delta(deltas: Iterable[float]) -> None:
    """Warn, once, if one of the deltas was probably meant as a confidence level."""
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
    """Warn about constraints that only a normal approximation can test; "exact" refuses them.

    `remedy` says how the measures without a finite range can get one.
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
                f"{constraint.source.text!r} has no finite-sample test, because {names} has no "
                f'finite range. {remedy}, or use method="auto".'
            )
        warn_user(
            f"{constraint.source.text!r} is tested by a normal approximation, because {names} has "
            f"no finite range. For a finite-sample test: {remedy[0].lower()}{remedy[1:]}."
        )


def check_share(name: str, value: Any) -> float:
    """A number from 0 to 1."""
    return check_within(name, value, (0.0, 1.0))


def check_within(name: str, value: Any, range_: Range) -> float:
    """A number in a range."""
    number, (low, high) = _arguments.number(name, value), range_
    if not low <= number <= high:
        raise ValueError(f"{name} must be between {low:g} and {high:g}, got {value!r}.")
    return number


def check_factor(name: str, value: Any) -> float:
    """A finite number of at least 1."""
    factor = _arguments.number(name, value)
    if not 1 <= factor < math.inf:
        raise ValueError(f"{name} must be at least 1, got {value!r}.")
    return factor


def check_count(name: str, value: Any) -> int:
    """A nonnegative whole number."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    # Above 2**53 not every whole number is a float, and some integers are too large for any float.
    if not number or not 0 <= value <= 2**53 or value != int(value):
        raise ValueError(
            f"{name} must be a whole number of rows from 0 to 2**53, got {short(value)}."
        )
    return int(value)


def check_mapping(name: str, value: Any) -> Mapping[str, Any]:
    """A mapping from the texts of measures to numbers."""
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
