import math
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sklearn_seldonian.experiments import load_results
from sklearn_seldonian.experiments._table import ResultsFolder, to_frame
from sklearn_seldonian.experiments._trial import Trial

SETTINGS = {"shared": {"protocol": "'resample'"}, "estimators": {"a": {"lr": "0.1"}}}
NAMES = [
    *("a", "b-2", 'with "quotes", commas', "ünïcode/../x", "two\nlines", ".", ""),
    *("long " * 200, "年齢" * 100),
]


def row(name="a", size=10, trial=0, **others):
    fixed = {"solution_found": True, "failure": False, "seconds": 0.1, "error": ""}
    scores = {"g_0": 0.1 + 0.2, "accuracy": math.nan}
    return {"estimator": name, "sample_size": size, "trial": trial, **fixed, **scores, **others}


@pytest.fixture
def folder(tmp_path):
    folder = ResultsFolder(tmp_path / "results")
    folder.open(SETTINGS)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_a_row_comes_back_as_it_was(folder, name):
    error = 'ValueError: line one\nline two, "quoted"'
    before = row(name, failure=True, error=error, g_0=-math.inf)
    folder.add(before)
    (after,) = folder.rows([Trial(name, 10, 0)])
    assert math.isnan(after.pop("accuracy"))
    before.pop("accuracy")
    assert after == before
    assert {key: type(value) for key, value in after.items()} == {
        key: type(value) for key, value in before.items()
    }


def test_files_of_all_trials_differ_on_every_file_system(folder):
    names = [*NAMES, "A", "long " * 200 + "2", "b", "1-a"]
    trials = [(name, size, trial) for name in names for size in (1, 11) for trial in (1, 11)]
    for trial in trials:
        folder.add(row(*trial))
    files = [path.name for path in folder.trials.iterdir()]
    assert len({name.lower() for name in files}) == len(trials)
    assert max(len(name.encode()) for name in files) < 200


def test_only_the_requested_rows(folder):
    for number in range(3):
        folder.add(row(trial=number))
    assert [r["trial"] for r in folder.rows([Trial("a", 10, 1), Trial("a", 10, 7)])] == [1]
    assert len(folder.rows()) == 3


def test_the_same_trial_twice_is_one_row(folder):
    for _ in range(2):
        folder.add(row())
    assert len(folder.rows()) == 1


def test_drafts_of_a_killed_process_are_not_read(folder):
    folder.add(row())
    (written,) = folder.trials.iterdir()
    for text in ("", "estimator,sample_size\na,1"):
        written.with_name("10-1-a.csv.123.draft").write_text(text)
        assert len(folder.rows()) == 1


def test_writers_of_one_trial_do_not_disturb_each_other(folder):
    def write():
        for _ in range(50):
            folder.add(row())

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(write) for _ in range(4)]:
            done.result()
    assert [path.suffix for path in folder.trials.iterdir()] == [".csv"]


def test_readers_meet_whole_rows_only(folder):
    def write():
        for _ in range(100):
            folder.add(row(error="x" * 100_000))

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        assert all(len(r["error"]) == 100_000 for r in folder.rows())
    writer.join()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shared": {"protocol": "'holdout'"}}, "protocol was 'resample', now it is 'holdout'"),
        ({"shared": {}}, "protocol was 'resample', now it is missing"),
        ({"estimators": {"a": {"lr": "0.2"}}}, "lr of 'a' was 0.1, now it is 0.2"),
        ({"estimators": {"a": {"lr": "0.1", "C": "1"}}}, "C of 'a' was missing, now it is 1"),
    ],
)
def test_other_settings_are_refused(folder, change, message):
    with pytest.raises(ValueError, match="were run with other settings") as caught:
        ResultsFolder(folder.path).open({**SETTINGS, **change})
    assert message in str(caught.value)
    assert "Give another folder" in str(caught.value)
    assert folder.settings() == SETTINGS


def test_new_estimators_are_added(folder):
    folder.open({**SETTINGS, "estimators": {"b": {"C": "1"}}})
    assert folder.settings()["estimators"] == {"a": {"lr": "0.1"}, "b": {"C": "1"}}


def test_estimators_come_back_in_the_order_they_were_given(folder):
    for name in ("c", "b", "a"):
        folder.open({**SETTINGS, "estimators": {name: {"lr": "0.1"}}})
    assert list(folder.settings()["estimators"]) == ["a", "c", "b"]


def test_processes_that_start_together_lose_no_estimator(tmp_path):
    names = [f"estimator {i}" for i in range(8)]
    start = threading.Barrier(len(names))

    def work(name):
        folder = ResultsFolder(tmp_path)
        start.wait()
        folder.open({**SETTINGS, "estimators": {name: {"lr": "0.1"}}})
        folder.add(row(name))

    with ThreadPoolExecutor(len(names)) as pool:
        for done in [pool.submit(work, name) for name in names]:
            done.result()
    assert set(load_results(tmp_path)["estimator"]) == set(names)


def test_of_processes_that_start_together_with_other_settings_one_goes_on(tmp_path):
    start = threading.Barrier(8)

    def work(i):
        start.wait()
        try:
            ResultsFolder(tmp_path).open({**SETTINGS, "shared": {"protocol": str(i)}})
        except ValueError:
            return None
        return str(i)

    with ThreadPoolExecutor(8) as pool:
        (winner,) = set(pool.map(work, range(8))) - {None}
    assert ResultsFolder(tmp_path).settings()["shared"] == {"protocol": winner}


def no_links(*_):
    raise OSError("Operation not supported")


@pytest.mark.parametrize("hardlink_to", [Path.hardlink_to, no_links])
def test_file_systems_with_and_without_links(tmp_path, monkeypatch, hardlink_to):
    monkeypatch.setattr(Path, "hardlink_to", hardlink_to)
    folder = ResultsFolder(tmp_path)
    for _ in range(2):
        folder.open(SETTINGS)
    assert folder.settings() == SETTINGS
    assert {path.suffix for path in tmp_path.rglob("*.*")} == {".json"}


def test_the_table_is_in_order():
    rows = [row("b", 20), row("a", 20), row("b", 9, 1), row("b", 9, 0)]
    frame = to_frame(rows, ["b", "a"])
    found = frame[["estimator", "sample_size", "trial"]].to_numpy().tolist()
    assert found == [["b", 9, 0], ["b", 9, 1], ["b", 20, 0], ["a", 20, 0]]
    assert frame["solution_found"].dtype == bool
    assert frame["g_0"].dtype == float


def written(folder, **others):
    """The file of a trial."""
    folder.add(row(**others))
    return max(folder.trials.glob("*.csv"), key=lambda path: path.stat().st_mtime_ns)


def edited(old, new):
    return lambda text: text.replace(old, new)


DAMAGE = {
    "empty": lambda text: "",
    "header only": lambda text: text.splitlines(keepends=True)[0],
    "cut in the header": lambda text: text[:20],
    "cut in a column": lambda text: text[: text.index("True") + 6],
    "cut in a number": lambda text: text[:-5],
    "without its end of line": lambda text: text[:-2],
    "twice": lambda text: text + text.splitlines(keepends=True)[1],
    "maybe": edited("True", "maybe"),
    "true": edited("True", "true"),
    "no truth": edited("True", ""),
    "no number": edited("0.1", "fast"),
    "no value": edited("0.1,", ","),
    "a number with words": edited("0.30000000000000004", "0.3 or so"),
    "a number of Python's": edited("0.30000000000000004", "3_0"),
    "another size": edited("a,10,0", "a,11,0"),
    "another trial": edited("a,10,0", "a,10,1"),
    "another estimator": edited("a,10,0", "b,10,0"),
    "a negative trial": edited("a,10,0", "a,10,-1"),
    "half a row": edited("a,10,0", "a,10.5,0"),
    "another column": edited("solution_found", "solved"),
    "a column twice": edited("g_0", "accuracy"),
    "a failure of nothing": edited("True,False", "False,True"),
    "a quote": edited("a,10", '"a,10'),
    "zeros": lambda text: "\0" * len(text),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_trial_is_named(folder, damage):
    path = written(folder)
    before = path.read_bytes().decode()
    assert damage(before) != before
    path.write_bytes(damage(before).encode())
    for read in (folder.rows, lambda: folder.rows([Trial("a", 10, 0)])):
        with pytest.raises(ValueError, match="Delete this file") as caught:
            read()
        assert repr(str(path)) in str(caught.value)


def test_bytes_that_are_no_text_are_named(folder):
    path = written(folder)
    path.write_bytes(b"\xff\xfe" + path.read_bytes())
    with pytest.raises(ValueError, match="Delete this file") as caught:
        folder.rows()
    assert repr(str(path)) in str(caught.value)


def test_a_copied_trial_does_not_count(folder):
    path = written(folder)
    copied = path.with_name(path.name.replace("10-0", "10-1"))
    copied.write_bytes(path.read_bytes())
    with pytest.raises(ValueError, match=r"10-1-a.*it has Trial\(estimator='a', sample_size=10"):
        folder.rows()
    copied.rename(path.with_name(f"copy of {path.name}"))
    with pytest.raises(ValueError, match="copy of"):
        load_results(folder.path)
    path.with_name(f"copy of {path.name}").rename(path.with_name("copy.csv"))
    for read in (lambda: load_results(folder.path), lambda: folder.open(SETTINGS)):
        with pytest.raises(ValueError, match=r"copy\.csv.*Remove this file"):
            read()


def test_trials_with_other_columns_are_refused(folder):
    written(folder)
    written(folder, trial=1, r2=0.5)
    with pytest.raises(ValueError, match="have different columns"):
        folder.rows()


def test_trials_without_the_experiments_settings_are_refused(folder):
    written(folder)
    folder.shared.unlink()
    for settings in (SETTINGS, {**SETTINGS, "shared": {"protocol": "'holdout'"}}):
        with pytest.raises(ValueError, match=r"has trials, but no experiment\.json"):
            ResultsFolder(folder.path).open(settings)
    assert not folder.shared.exists()
    with pytest.raises(FileNotFoundError, match=r"no experiment\.json"):
        load_results(folder.path)


def test_trials_without_their_estimators_settings_are_refused(folder):
    written(folder)
    (own,) = folder.estimators.iterdir()
    own.unlink()
    for read in (lambda: folder.open(SETTINGS), lambda: load_results(folder.path)):
        with pytest.raises(ValueError, match="has the name of no trial of an estimator"):
            read()


NO_SETTINGS = ["", "{", "[]", "null", "3", "\0", "[" * 100_000]
OWN_SETTINGS = [
    *("{}", '{"name": "a"}', '{"name": "a", "position": "0", "settings": {}}'),
    *('{"name": 3, "position": 0, "settings": {}}', '{"name": "a", "position": 0, "settings": 1}'),
]


@pytest.mark.parametrize(
    ("of_estimator", "text"),
    [(of, text) for of in (False, True) for text in NO_SETTINGS]
    + [(True, text) for text in OWN_SETTINGS],
    ids=range(2 * len(NO_SETTINGS) + len(OWN_SETTINGS)),
)
def test_damaged_settings_are_named(folder, of_estimator, text):
    written(folder)
    path = next(folder.estimators.iterdir()) if of_estimator else folder.shared
    path.write_text(text)
    for read in (lambda: folder.open(SETTINGS), lambda: load_results(folder.path)):
        with pytest.raises(ValueError, match="Give another folder as results") as caught:
            read()
        assert repr(str(path)) in str(caught.value)


def test_settings_under_another_name_are_refused(folder):
    folder.open({**SETTINGS, "estimators": {"b": {"C": "1"}}})
    one, other = folder.estimators.iterdir()
    other.write_bytes(one.read_bytes())
    with pytest.raises(ValueError, match="not written by run_experiment"):
        folder.settings()


def test_a_complete_experiment_is_read_without_writing(folder, monkeypatch):
    written(folder)

    def refuse(*_, **__):
        raise PermissionError("Read-only file system")

    for owner, name in ((Path, "mkdir"), (Path, "hardlink_to"), (Path, "replace")):
        monkeypatch.setattr(owner, name, refuse)
    folder.open(SETTINGS)
    assert len(folder.rows([Trial("a", 10, 0)])) == 1


def test_an_experiment_without_trials_yet(folder):
    assert len(load_results(folder.path)) == 0


def test_no_results(tmp_path):
    with pytest.raises(FileNotFoundError, match="has no results"):
        load_results(tmp_path)


def test_a_folder_in_place_of_a_trial_is_named(folder):
    path = written(folder)
    path.unlink()
    path.mkdir()
    with pytest.raises(ValueError, match="is not a trial as run_experiment writes it"):
        load_results(folder.path)
