"""Configurations that come with the package are found by their names, and a file of one's own goes before them."""

from pathlib import Path

import pytest

from glo_lightning.cli.config_file import EMBEDDED, with_bases
from glo_lightning.errors import SettingsError


def test_a_name_leads_to_the_packages_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert with_bases("digits_noisy_drive") == [str(EMBEDDED / "digits_noisy_drive.yaml")]
    (tmp_path / "digits_noisy_drive").write_text("search: {seed: 3}\n")
    assert with_bases("digits_noisy_drive") == ["digits_noisy_drive"]


def test_what_is_neither_file_nor_name_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"Did you mean digits_noisy_drive\?"):
        with_bases("digits_nosy_drive")
    with pytest.raises(SettingsError, match=r"a YAML file at none\.yaml"):
        with_bases("none.yaml")
