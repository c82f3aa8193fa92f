"""What the guest's runner refuses before it boots."""

import sys
from pathlib import Path

import pytest

from mooring_lab import guest


def test_a_folder_with_a_space_is_refused_instead_of_booted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", "/srv/my work/.venv/bin/python")
    with pytest.raises(SystemExit):
        guest.main(["--kernel", str(tmp_path / "linux"), "--", "true"])
    assert "/srv/my work/.venv/bin/python: a kernel's command line knows no spaces" in capsys.readouterr().err
