"""Any single edit of a document that changes a statement is refused, or found by verification."""

import copy
import json
import warnings
from dataclasses import fields
from functools import cache

import numpy as np
import pytest

from sklearn_seldonian import SeldonianClassifier, certify
from sklearn_seldonian.certification import (
    CellRecord,
    ConstraintResult,
    SafetyCertificate,
    SpecificationRecord,
    StatisticsRecord,
    TableRecord,
)
from sklearn_seldonian.certification._comparison import is_close
from sklearn_seldonian.certification._json import digests_of
from sklearn_seldonian.certification._verify import NOT_REPEATED
from sklearn_seldonian.model_selection import SeldonianSearchCV
from sklearn_seldonian.modules import MLP
from tests.certification._certificates import (
    COST,
    DATA,
    Given,
    GivenNumbers,
    P,
    Y,
    fitted,
    forged,
)
from tests.certification._edits import document_of, edited, places_in
from tests.certification.test_json import OF_OTHER_TYPES
from tests.certification.test_recompute import OF_STATISTICS
from tests.certification.test_rules import FORGERIES

WEIGHTS = np.random.default_rng(1).integers(1, 4, len(Y)).astype(float)
# No reader can recompute these fields (see docs/for_the_auditor.md).
BY_WORD_ALONE = {"created_at", "remarks", "versions", "parameters"}


def of_certify(constraints, model=None, y=Y, verify=(), **options):
    """A certificate of the function `certify`, and its verification."""
    model = model or Given().fit()
    of_rows = {name: options[name] for name in ("sample_weight", "groups") if name in options}
    measures = options.get("measures", ())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        certificate = certify(model, DATA, y, constraints, random_state=0, **options)
    return certificate, lambda c: c.verify(model, DATA, y, measures=measures, **of_rows)


def of_fit(model):
    return model.certificate_, lambda c: c.verify(model, P[:, None], Y)


def searched():
    model = SeldonianClassifier(MLP, constraints="ACC >= 0.6", max_epochs=2, random_state=0)
    search = SeldonianSearchCV(model, {"lr": [0.01, 0.1]}, cv=2, test="holm", n_candidates=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return search.fit(P[:, None], Y)


KINDS = {
    "counts": lambda: of_certify(["ACC >= 0.8", "abs(PR | [M] - PR | [F]) <= 0.3"]),
    "failed": lambda: of_certify(["ACC >= 0.86", "PR <= 0.1"], delta=[0.05, 0.1]),
    "groups": lambda: of_certify(["max(PR, by=(race, M)) <= 0.95", "PR | [age >= 40] <= 0.9"]),
    "texts": lambda: of_certify(
        "PR <= 0.9", Given(["no", "yes"]).fit(), np.array(["no", "yes"])[Y], pos_label="no"
    ),
    "values": lambda: of_certify(["Cost <= 0.9", "ACC >= 0.8"], measures=[COST]),
    "drawn": lambda: of_certify(["PR <= 0.9", "PPV >= 0.3"], decision="sample"),
    "normal": lambda: of_certify(["LogLoss <= 0.9", "Brier <= 0.4"], method="asymptotic"),
    "numbers": lambda: of_certify(
        "MSE <= 0.5", GivenNumbers().fit(), target_range=(0, 1), prediction_range=(0, 1)
    ),
    "weights": lambda: of_certify("PR | [M] <= 0.9", sample_weight=WEIGHTS),
    "units": lambda: of_certify("ACC >= 0.6", groups=np.arange(len(Y)) // 2, max_group_size=3),
    "shift": lambda: of_certify(
        "PR <= 0.9", shift={"race": {"A": (0.2, 0.4), "B": (0.2, 0.4), "C": (0.2, 0.6)}}
    ),
    "fit": lambda: of_fit(fitted()),
    "alternatives": lambda: of_fit(fitted(constraints="min(FPR, FNR) <= 0.9")),
    "search": lambda: of_fit(searched()),
}


@cache
def made(kind):
    """A certificate of a kind, its verification, and its document."""
    certificate, verify = KINDS[kind]()
    return certificate, verify, document_of(certificate)


def differing(one, other):
    """The fields in which two certificates differ."""
    names = vars(one)
    return {n for n in names if not is_close(_plain(getattr(one, n)), _plain(getattr(other, n)))}


def _plain(value):
    if isinstance(value, tuple) and all(isinstance(each, str) for each in value):
        return tuple(sorted(set(value)))  # in any order and number
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(entry) for name, entry in vars(value).items()}
    return tuple(map(_plain, value)) if isinstance(value, tuple) else value


def are_of_before(one, other):
    """Whether two certificates differ only in assumptions about the time before the test."""
    changed = set(one.assumptions) ^ set(other.assumptions)
    return any(map(NOT_REPEATED.match, changed & set(one.assumptions)))


def outcome_of_edit(kind, rng):
    """The outcome of one edit: "refused", "the same", "found", "by word alone", or its path."""
    certificate, verify, document = made(kind)
    content, path = edited(document, rng)
    try:
        read = SafetyCertificate.from_json(json.dumps(content))
    except ValueError:
        return "refused"
    changed = differing(certificate, read)
    if not changed:
        return "the same"
    if changed <= BY_WORD_ALONE or (
        changed == {"assumptions"} and are_of_before(certificate, read)
    ):
        return "by word alone"
    if changed == {"order_seed"} and certificate.guarantee == "asymptotic":
        return "by word alone"  # sums do not depend on the order
    if read.statistics is None:
        assert not read.recompute().complete
        return "found"
    try:
        return path if verify(read).same else "found"
    except ValueError:  # the test cannot be run with these rows
        return "found"


def count(kind, n, seed):
    rng = np.random.default_rng(seed)
    outcomes = [outcome_of_edit(kind, rng) for _ in range(n)]
    unnoticed = [path for path in outcomes if isinstance(path, tuple)]
    assert not unnoticed
    assert outcomes.count("refused") > n / 2
    return outcomes


@pytest.mark.parametrize("kind", KINDS)
def test_the_certificates_that_are_edited_are_read_and_verified(kind):
    certificate, verify, document = made(kind)
    assert SafetyCertificate.from_json(json.dumps(document)) == certificate
    found = verify(certificate)
    assert found.same, found.explain(None)


@pytest.mark.parametrize("kind", KINDS)
def test_a_random_edit_is_noticed(kind):
    count(kind, 22, seed=0)


@pytest.mark.parametrize("kind", ["counts", "values", "alternatives"])
def test_everything_that_is_removed_is_noticed(kind):
    """If entries of objects are removed, or a list gets shorter, this is noticed."""
    certificate, verify, document = made(kind)
    for *owners, name in places_in(document):
        content = copy.deepcopy(document)
        owner = content
        for step in owners:
            owner = owner[step]
        del owner[name]
        if owners[:1] != ["digests"] and name != "digests":
            content["digests"] = digests_of(content)
        path = (*owners, name)
        try:
            read = SafetyCertificate.from_json(json.dumps(content))
        except ValueError:
            continue
        is_found = not verify(read).same
        assert is_found or differing(certificate, read) <= BY_WORD_ALONE, path


@pytest.mark.parametrize("kind", ["counts", "values", "fit"])
def test_whoever_leaves_the_digests_alone_changes_nothing(kind):
    certificate, _, document = made(kind)
    rng = np.random.default_rng(3)
    for _ in range(100):
        content, _ = edited(document, rng)
        content["digests"] = document["digests"]
        same = (json.dumps(each, sort_keys=True) for each in (content, document))
        if len({*same}) == 1:  # the order of names has no meaning
            assert SafetyCertificate.from_json(json.dumps(content)) == certificate
            continue
        with pytest.raises(ValueError):  # noqa: PT011
            SafetyCertificate.from_json(json.dumps(content))


OF_RECORDS = [
    ("shift", "specification.shift.low", [0.9, 0.9, 0.9], "specification.shift is impossible"),
    ("shift", "specification.shift.high", [0.4], "specification.shift must have one low"),
    ("shift", "specification.shift.levels", ["A", "B"], "specification.shift must have one low"),
    ("normal", "statistics.has_products", False, "statistics.tables, products must be in"),
    ("normal", "statistics.tables.0.cells.0.products.0", [0, 0, 0, 7.5], "results"),
    ("normal", "statistics.tables.0.cells.0.products.0", [0, 9, 0, 7.5], "statistics.tables, prod"),
    ("drawn", "statistics.has_products", True, None),
    ("weights", "statistics.largest_unit", None, "statistics.tables, counts must be in"),
    ("weights", "statistics.largest_unit", 9.0, None),
    ("weights", "statistics.tables.0.cells.0.counts.0", [0, 0, 1], "statistics.tables have"),
    ("values", "specification.measures", [], "specification gives the constraints no meaning"),
    ("values", "specification.measures.0.range", [0.0, 1.0], None),
    ("values", "specification.measures.0.range", [2.0, 0.0], "specification.ranges must be"),
    ("values", "specification.measures.0.name", "Price", "specification gives the constraints no"),
    ("groups", "specification.orders", {"race": ["C", "B", "A"]}, None),
    ("groups", "specification.levels.race", ["A", "B"], "statistics.tables[0].groups are not"),
    ("numbers", "specification.prediction_range", [0.0, 2.0], None),
    ("numbers", "specification.prediction_range", [0.0], "specification.ranges must be"),
    ("search", "specification.n_tests", 7, "results[0].delta is"),
    ("counts", "estimator", "", "estimator is missing"),
    ("fit", "estimator", "SeldonianRegressor", "estimator is not the one whose procedure"),
    ("counts", "estimator", "Oracle", None),
    ("counts", "procedure", "Given.certify", "n_candidate|procedure|loss|estimator"),
]


@pytest.mark.parametrize(("kind", "path", "value", "message"), OF_RECORDS)
def test_a_record_that_was_edited_is_refused_or_found(kind, path, value, message):
    """Without a message: the document is read, and the edit is found by verification."""
    certificate, verify, _ = made(kind)
    content = json.loads(forged(certificate, path, value))
    content["digests"] = digests_of(content)
    if message is None:
        read = SafetyCertificate.from_json(json.dumps(content))
        assert not verify(read).same
        return
    with pytest.raises(ValueError) as found:  # noqa: PT011
        SafetyCertificate.from_json(json.dumps(content))
    assert str(found.value).startswith(tuple(message.split("|")))


def test_each_field_is_edited_by_hand_in_a_table():
    tables = [path for _, path, *_ in (*FORGERIES, *OF_OTHER_TYPES, *OF_STATISTICS)]
    edited_by_hand = {part for path in tables for part in path.split(".")}
    kinds = SafetyCertificate, ConstraintResult, SpecificationRecord, StatisticsRecord, TableRecord
    every = {field.name for kind in (*kinds, CellRecord) for field in fields(kind)}
    edited_by_hand |= {part for _, path, *_ in OF_RECORDS for part in path.split(".")}
    assert every - edited_by_hand <= BY_WORD_ALONE


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_20_000_random_edits_are_noticed(kind):
    count(kind, 20_000 // len(KINDS) + 1, seed=1)
