"""A saved monitor continues where it was, and a document that was changed is refused."""

import json

import numpy as np
import pytest

from sklearn_seldonian.certification._json import digests_of
from sklearn_seldonian.measures import RowMeasure
from sklearn_seldonian.monitoring import SafetyMonitor
from tests.monitoring._people import people

COST = RowMeasure("Cost", lambda y, p, _: 1.0 * (y != p), range=(0, 2))


def sealed(document):
    """The text of a document whose digests are computed anew, as a forger would do."""
    content = {name: value for name, value in document.items() if name != "digests"}
    return json.dumps({**content, "digests": digests_of(content)})


def saved():
    y_pred, y_true, columns = people(300)
    monitor = SafetyMonitor(
        ["ACC >= 0.9", "PR | [sex == 'M'] <= 0.9", "Cost <= 0.5"], windows=2, measures=[COST]
    )
    monitor.update(y_pred[:200], y_true[:200], columns[:200]).restart("March")
    return monitor.update(y_pred[200:], None, columns[200:], row_ids=range(100))


def test_a_saved_monitor_goes_on():
    monitor = saved()
    read = SafetyMonitor.from_json(monitor.to_json(), measures=[COST])
    assert read.to_json() == monitor.to_json()
    for each in (monitor, read):
        each.add_labels(range(100), [0, 1] * 50).update([1], [0], people(1)[2])
    assert read.to_json() == monitor.to_json()
    assert read.to_frame().equals(monitor.to_frame())


@pytest.mark.parametrize(
    "parameters",
    [
        {"constraints": "TPR >= 0.5", "classes": ("no", "yes"), "pos_label": "no"},
        {"constraints": "PR_[2] <= 0.5", "classes": (0, 1, 2)},
        {
            "constraints": "MAE <= 0.5",
            "classes": None,
            "target_range": (0, 1),
            "prediction_range": (0, 1),
        },
        {"constraints": "min(PR, by=race) >= 0.1", "levels": {"race": ["A", "B"]}, "delta": [0.01]},
        {"constraints": "PR <= 0.5", "windows": "unlimited", "late_labels": "in order"},
    ],
)
def test_parameters_survive(parameters):
    text = SafetyMonitor(**parameters).to_json()
    assert SafetyMonitor.from_json(text).to_json() == text


def test_it_is_json_for_strict_readers():
    text = SafetyMonitor("PR | [M] / PR | [F] >= 0.8").to_json()
    json.loads(text, parse_constant=lambda name: pytest.fail(name))


def test_a_violation_that_counts_prove_is_noted_even_if_it_was_erased():
    document = json.loads(saved().to_json())
    assert document["windows"][0]["violated_at"][0] == 200
    document["windows"][0]["violated_at"][0] = None
    read = SafetyMonitor.from_json(sealed(document), measures=[COST])
    assert read.to_frame()["violated"][0]


def changed(path, value):
    document = json.loads(saved().to_json())
    *way, last = path
    place = document
    for step in way:
        place = place[step]
    if value is KeyError:
        del place[last]
    else:
        place[last] = value
    return document


ACC, COSTS = "ACC", "Cost"
WEIGHTS = [0.0] * 129


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["kind"], "certificate", "kind and version must be 'sklearn_seldonian.monitor' and 1"),
        (["version"], 2, "kind and version"),
        (["version"], 1.0, "kind and version"),
        (["version"], True, "kind and version"),
        (["waiting"], KeyError, "The document has no 'waiting'"),
        (["more"], 1, "The document has 'more', which is unknown"),
        (["parameters", "delta"], KeyError, "parameters has no 'delta'"),
        (
            ["parameters", "delta"],
            7,
            "parameters of the document are invalid: delta must be strictly",
        ),
        (["parameters", "classes"], 7, "parameters of the document are invalid: classes must list"),
        (["parameters", "constraints"], ["ACC >"], "parameters of the document"),
        (["parameters", "constraints"], ["ACC >= 0.9"], "delta must be one number"),
        (["parameters", "windows"], 1, "windows must have different names, and be at most 1"),
        (["measures"], [], r"Give from_json measures="),
        (["windows"], [], "windows must be a list with at least one window"),
        (["windows", 0], 5, r"windows\[0\] must be a JSON object"),
        (["windows", 0, "name"], 5, r"windows\[0\].name must be a text"),
        (["windows", 0, "name"], "March", "windows must have different names"),
        (["windows", 0, "n_rows"], -1, r"windows\[0\].n_rows must be a whole number"),
        (["windows", 0, "n_rows"], 10.0, r"windows\[0\].n_rows must be a whole number"),
        (["windows", 0, "n_rows"], 10, r"successes <= trials <= n_rows=10"),
        (["windows", 0, "violated_at", 1], 0, r"violated_at\[1\] must be from 1 to n_rows=200"),
        (["parameters", "levels"], [], "parameters of the document are invalid: levels must map"),
        (["windows", 0, "violated_at"], [], r"violated_at must be a list of 3 entries"),
        (["windows", 0, "violated_at", 1], 500, r"violated_at\[1\] must be from 1 to n_rows=200"),
        (["windows", 0, "means", ACC], KeyError, r"windows\[0\].means has no 'ERR'|no 'ACC'"),
        (["windows", 0, "means", COSTS, "weights"], [1.0], "must be a list of 129 numbers"),
        (["windows", 0, "means", COSTS, "weights"], [-1.0, *WEIGHTS[1:]], "129 numbers from 0 on"),
        (["windows", 0, "means", COSTS, "weights"], [0.5, *WEIGHTS[1:]], "with a whole sum"),
        (["windows", 0, "means", COSTS, "weights"], [999.0, *WEIGHTS[1:]], "at most n_rows=200"),
        (["windows", 0, "points"], [[300, [0] * 3, [0] * 3, [0] * 3]], "growing numbers of rows"),
        (["windows", 0, "points"], [[3, [0], [0], [0]]], "with 3 estimates"),
        (["windows", 0, "points"], [[3]], "a list of rows, estimates"),
        (["windows", 0, "points"], [[3, ["x"] * 3, [0] * 3, [0] * 3]], "made of numbers"),
        (["waiting", 0], [1, 0], r"waiting\[0\] must be a list of id"),
        (["waiting", 0, 0], 1, r"waiting\[1\] must be with an id of its own"),
        (["waiting", 0, 0], 1.5, r"waiting\[0\] must be with an id of its own"),
        (["waiting", 0, 1], 2, "with a window below 2"),
        (["waiting", 0, 2], 2, "with positions below 2"),
        (["waiting", 0, 3], [1], "with 1 times true or false"),
        (["waiting", 0, 4], "x", "with positions below 2"),
        (["waiting", 0, 4], 1, r"waiting\[0\] must be without a label"),
    ],
)
def test_each_field_is_checked(path, value, message):
    with pytest.raises(ValueError, match=message):
        SafetyMonitor.from_json(sealed(changed(path, value)), measures=[COST])


@pytest.mark.parametrize(
    ("path", "value", "name"),
    [
        (["windows", 0], KeyError, "windows"),  # otherwise its share of delta could be used again
        (["windows", 0, "violated_at", 0], None, "windows"),
        (["windows", 0, "points"], [], "windows"),
        (["parameters", "constraints", 0], "ACC >= 0.1", "parameters"),
        (["parameters", "windows"], "unlimited", "parameters"),
        (["waiting"], [], "waiting"),
        (["streams"], [], "streams"),
        (["kind"], "other", "kind"),
        (["digests", "windows"], "0", "windows"),
    ],
)
def test_what_was_changed_by_accident_is_refused(path, value, name):
    with pytest.raises(ValueError, match=f"{name}' was changed after|kind and version must be"):
        SafetyMonitor.from_json(json.dumps(changed(path, value)), measures=[COST])


@pytest.mark.parametrize("digests", [None, [], {}, {"windows": "0"}])
def test_digests_must_be_there(digests):
    document = {**json.loads(saved().to_json()), "digests": digests}
    with pytest.raises(ValueError, match="digests"):
        SafetyMonitor.from_json(json.dumps(document), measures=[COST])


def test_spaces_and_the_order_of_fields_do_not_matter():
    text = saved().to_json()
    other = json.dumps(json.loads(text), sort_keys=True)
    assert other != text
    assert SafetyMonitor.from_json(other, measures=[COST]).to_json() == text


@pytest.mark.parametrize("streams", ["a", [1], [""], ["a", "a"], []])
def test_wrong_names_of_streams_are_refused(streams):
    with pytest.raises(ValueError, match="streams must be"):
        SafetyMonitor.from_json(sealed(changed(["streams"], streams)), measures=[COST])


def test_without_rows_there_is_no_stream():
    document = json.loads(SafetyMonitor("PR <= 0.3").to_json())
    assert document["streams"] == []
    with pytest.raises(ValueError, match="streams must be empty without rows"):
        SafetyMonitor.from_json(sealed({**document, "streams": ["a"]}))


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 1, "a": 2}', '{"kind": NaN}', "null"])
def test_what_is_no_document_is_refused(text):
    with pytest.raises(ValueError, match=r"This is not the JSON document|must be a JSON object"):
        SafetyMonitor.from_json(text)


def test_counts_that_contradict_themselves_are_refused():
    document = json.loads(saved().to_json())
    name = next(iter(document["windows"][0]["means"]))
    document["windows"][0]["means"][name] = {"successes": 3, "trials": 2}
    with pytest.raises(ValueError, match="successes <= trials"):
        SafetyMonitor.from_json(sealed(document), measures=[COST])


def rate(successes, trials):
    return {"successes": successes, "trials": trials}


@pytest.mark.parametrize(
    ("constraints", "means", "message"),
    [
        ("ACC >= 0.5", {"PR": rate(10, 20), "ACC": rate(18, 18)}, None),
        ("ACC >= 0.5", {"ACC": rate(4, 4)}, None),  # as if some rows had no id or were removed
        ("ACC >= 0.5", {"PR": rate(8, 8)}, "of which 2 wait for labels, and 8 rows of PR"),
        ("ACC >= 0.5", {"ACC": rate(18, 19)}, "of which 2 wait for labels, and 19 rows of ACC"),
        ("TPR - FPR >= 0", {"TPR": rate(0, 9), "FPR": rate(9, 9)}, None),
        ("TPR - FPR >= 0", {"TPR": rate(0, 9), "FPR": rate(9, 10)}, "only 18 rows that count"),
    ],
)
def test_counts_that_no_rows_have_are_refused(constraints, means, message):
    monitor = SafetyMonitor([constraints, "PR <= 0.3"])
    monitor.update([1, 0] * 10, [1, 0] * 9 + [None] * 2, row_ids=range(20))
    document = json.loads(monitor.to_json())
    assert set(means) <= set(document["windows"][0]["means"])
    document["windows"][0]["means"].update(means)
    if message is None:
        assert SafetyMonitor.from_json(sealed(document)).n_rows_ == 20
        return
    with pytest.raises(ValueError, match=message):
        SafetyMonitor.from_json(sealed(document))


def in_order():
    monitor = SafetyMonitor(
        "MAE <= 0.3",
        classes=None,
        target_range=(0, 1),
        prediction_range=(0, 2),
        late_labels="in order",
    )
    monitor.update([0.5, 1.5, 0.5], [None, 0.2, 0.3], row_ids=[1, 2, 3])
    return json.loads(monitor.to_json())


@pytest.mark.parametrize(
    ("row", "entry", "value", "message"),
    [
        (1, 4, 7.5, r"waiting\[1\] must be with numbers, and inside target_range=\(0, 1\)"),
        (1, 4, 1.5, r"waiting\[1\] must be with numbers, and inside target_range=\(0, 1\)"),
        (1, 2, 2.5, r"inside prediction_range=\(0, 2\)"),
        (0, 2, -0.5, r"inside prediction_range=\(0, 2\)"),
        (0, 4, 0.5, r"waiting\[0\] must be without a label"),
        (1, 4, 0.9, None),
        (1, 4, None, None),
    ],
)
def test_rows_that_could_never_be_counted_are_refused(row, entry, value, message):
    document = in_order()
    document["waiting"][row][entry] = value
    if message is None:
        read = SafetyMonitor.from_json(sealed(document)).add_labels([1], [0.5])
        assert read.n_waiting_ == (2 if value is None else 0)
        return
    with pytest.raises(ValueError, match=message):
        SafetyMonitor.from_json(sealed(document))


def test_numbers_written_without_a_point_are_numbers():
    document = in_order()
    document["waiting"][0][2], document["waiting"][1][2] = 0, 1
    document["waiting"] = document["waiting"][:2]
    read = SafetyMonitor.from_json(sealed(document)).add_labels([1], [0.5])
    assert read.estimate_.tolist() == pytest.approx([(0.5 + 0.8) / 2])


def test_a_row_outside_the_range_of_a_measure_is_refused():
    cost = RowMeasure("Cost", lambda y, p, _: 3.0 * (y != p), range=(0, 2))
    monitor = SafetyMonitor("Cost <= 1", measures=[cost], late_labels="in order")
    monitor.update([1, 1], [None, 1], row_ids=[1, 2])
    document = json.loads(monitor.to_json())
    assert SafetyMonitor.from_json(sealed(document), measures=[cost]).n_waiting_ == 2
    document["waiting"][1][4] = 0
    with pytest.raises(
        ValueError, match="waiting has a row that cannot be counted: Measure 'Cost' returned 3"
    ):
        SafetyMonitor.from_json(sealed(document), measures=[cost])


def test_more_rows_do_not_wait_than_came():
    document = json.loads(SafetyMonitor("ACC >= 0.5").update([1], row_ids=[1]).to_json())
    assert SafetyMonitor.from_json(sealed(document)).n_waiting_ == 1
    document["waiting"].append([2, 0, 1, [], None])
    with pytest.raises(ValueError, match=r"windows\[0\] has n_rows=1, but 2 of its rows wait"):
        SafetyMonitor.from_json(sealed(document))


def test_nothing_waits_where_no_label_is_needed():
    document = json.loads(SafetyMonitor("PR <= 0.3").update([1], row_ids=[1]).to_json())
    assert document["waiting"] == []
    document["waiting"] = [[1, 0, 1, [], None]]
    with pytest.raises(ValueError, match="waiting must be empty"):
        SafetyMonitor.from_json(sealed(document))


def test_other_measures_are_refused():
    other = RowMeasure("Cost", COST.value, range=(0, 3))
    with pytest.raises(ValueError, match="same names, ranges and rows"):
        SafetyMonitor.from_json(saved().to_json(), measures=[other])


def test_numpy_labels_and_ids_are_written():
    monitor = SafetyMonitor("ACC >= 0.5", classes=np.array([0, 1]), pos_label=np.int64(1))
    monitor.update(np.array([1]), row_ids=np.array([5]))
    assert SafetyMonitor.from_json(monitor.to_json()).n_waiting_ == 1
