"""Files are written completely or not at all."""

import os
import stat
from pathlib import Path

import pytest
import safetensors.torch

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian._files import draft_of, write_whole
from sklearn_seldonian.modules import MLP


class DiskFull(OSError):
    pass


def test_text_is_written_as_it_is(tmp_path):
    path = tmp_path / "text"
    write_whole(str(path), "ü\r\n\n")
    assert path.read_bytes() == "ü\r\n\n".encode()


def test_what_was_there_stays_where_writing_fails(tmp_path):
    path = tmp_path / "text"
    path.write_text("good")

    def write_half():
        with draft_of(path) as draft:
            draft.write_text("ha")
            raise DiskFull

    with pytest.raises(DiskFull):
        write_half()
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "half \ud800")
    assert path.read_text() == "good"
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_and_links_stay(tmp_path):
    path, link = tmp_path / "text", tmp_path / "link"
    path.write_text("old")
    path.chmod(0o640)
    link.symlink_to(path)
    write_whole(link, "new")
    assert link.is_symlink()
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_names_as_long_as_they_may_be(tmp_path):
    path = tmp_path / ("x" * 250)
    write_whole(path, "new")
    assert path.read_text() == "new"


def test_what_is_no_file_is_written_to(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    write_whole(path, "through")
    assert os.read(reader, 20) == b"through"
    os.close(reader)


class TestOnAFullDisk:
    """If writing fails, the old file remains."""

    @pytest.fixture
    def model(self, blobs):
        return SeldonianClassifier(
            MLP, constraints="ACC >= 0.6", max_epochs=2, random_state=0, device="cpu"
        ).fit(*blobs)

    @pytest.fixture
    def full(self, monkeypatch):
        """The disk is full after half of the data."""

        def half(path, *_, **__):
            with open(path, "wb") as stream:
                stream.write(b"half")
            raise DiskFull

        ordinary = Path.open

        def opened(path, mode="r", *args, **kwargs):
            return half(path) if mode == "w" else ordinary(path, mode, *args, **kwargs)

        monkeypatch.setattr(safetensors.torch, "save_model", lambda _, path, **__: half(path))
        monkeypatch.setattr(Path, "open", opened)

    @pytest.mark.parametrize(
        "write",
        [
            lambda model, path: model.certificate_.to_html(path),
            lambda model, path: model.save_params(path),
        ],
        ids=["report", "weights"],
    )
    def test_the_good_file_stays(self, model, tmp_path, write, request):
        path = tmp_path / "file"
        write(model, path)
        before = path.read_bytes()
        assert len(before) > 1000
        write(model, path)
        assert path.read_bytes() == before
        request.getfixturevalue("full")
        with pytest.raises(DiskFull):
            write(model, path)
        assert path.read_bytes() == before
        assert os.listdir(tmp_path) == ["file"]
