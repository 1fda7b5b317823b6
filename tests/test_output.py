"""What a command cannot write is refused before its work."""

import importlib
from pathlib import Path

import pytest

from edgeseg.errors import InputError
from edgeseg.output import check_file, check_folder, new_folder, refuse_existing


def test_what_can_be_written_is_let_through(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in ("new", "new/deep/er", str(tmp_path), "."):
        check_folder(Path(path))
    (tmp_path / "old.json").write_text("{}")
    for path in ("old.json", "new/x.json"):
        check_file(Path(path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old.json"], "nothing is made"


def test_files_in_the_place_of_folders_are_named(tmp_path):
    (tmp_path / "file").write_text("mine")
    for path in ("file", "file/deep/er"):
        with pytest.raises(InputError, match=r"got .*, where .*file is a file; expected a folder"):
            check_folder(tmp_path / path)
    with pytest.raises(InputError, match="is a file"):
        check_file(tmp_path / "file" / "x.json")
    with pytest.raises(InputError, match="a folder; expected a file"):
        check_file(tmp_path)


@pytest.mark.parametrize("name", ["entry", "encoder", "graft", "thin"])
def test_regressions_ask_before_they_begin(tmp_path, name):
    pytest.importorskip("keras", reason="needs the extra train")
    module = importlib.import_module(f"edgeseg.training.{name}")
    with pytest.raises(InputError, match="a folder; expected a file"):
        module.main(tmp_path / "no.toml", tmp_path / "no.npz", tmp_path)


def test_a_new_folder_has_its_name_when_all_is_written(tmp_path):
    folder = tmp_path / "masks"
    left = tmp_path / "masks.part"
    left.mkdir()
    (left / "of a run that was cut off").touch()
    with new_folder(folder) as beside:
        (beside / "0.png").write_bytes(b"mask")
        assert not folder.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["masks"]
    assert [path.name for path in folder.iterdir()] == ["0.png"]
    with pytest.raises(InputError, match="got a folder that is there, expected none"):
        refuse_existing(folder)
    refuse_existing(left)
    with pytest.raises(ValueError, match="broken"), new_folder(left):
        raise ValueError("broken")
    assert not left.exists()
