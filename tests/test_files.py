"""Files are written whole or not at all, and what others wrote takes no more memory than it is large."""

import io
import json
import math
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from glo_lightning.errors import SettingsError
from glo_lightning.files import check_archive, writable_folder, write_json, write_whole
from glo_lightning.options import options_of

FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from glo_lightning.files import write_whole
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then writing more raises OSError, as on a full disk
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
write_whole(Path(sys.argv[1]), b"new" * 1000)
"""

INTERRUPTED = """
import os, signal, sys, threading
from pathlib import Path
from glo_lightning.files import write_whole

folder = Path(sys.argv[1])

def interrupt():
    while not list(folder.glob(".*.partial")):
        pass
    os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
content = b"new" * 50_000_000
threading.Thread(target=interrupt, daemon=True).start()
try:
    while True:
        write_whole(folder / "file", content)
except KeyboardInterrupt:
    pass
"""


def _run(code: str, argument: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, str(argument)], capture_output=True, text=True, timeout=120)


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    ended = _run(FULL_DISK, path)
    assert f"File too large: {str(path)!r}" in ended.stderr
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_ctrl_c_leaves_one_or_the_other(tmp_path: Path) -> None:
    ended = _run(INTERRUPTED, tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert os.listdir(tmp_path) in ([], ["file"])
    assert all(path.stat().st_size == 150_000_000 for path in tmp_path.iterdir())


def test_text_is_utf_8_and_replaces_an_older_file_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "link").symlink_to("file")
    write_whole(tmp_path / "link", "γ\n")
    assert (tmp_path / "file").read_bytes() == "γ\n".encode()
    assert (tmp_path / "link").is_symlink()


def test_a_device_is_written_to() -> None:
    code = "import sys; from pathlib import Path; from glo_lightning.files import write_whole; " \
           "write_whole(Path(sys.argv[1]), 'words')"  # fmt: skip
    assert _run(code, Path("/dev/stdout")).stdout == "words"


def test_json_is_json_whatever_the_numbers(tmp_path: Path) -> None:
    values = {"a": [math.nan, (math.inf, 1.5)], "b": {"c": -math.inf, "d": None, "e": True, "f": 3}}
    write_json(tmp_path / "file", values)

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    read = json.loads((tmp_path / "file").read_text(), parse_constant=refuse)
    assert read == {"a": [None, [None, 1.5]], "b": {"c": None, "d": None, "e": True, "f": 3}}


def test_a_folder_that_cannot_be_is_refused_with_the_option(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=r"another output_dir\."):
        writable_folder(tmp_path / "file" / "below")
    with options_of("train"), pytest.raises(SettingsError, match=r"another --train\.output_dir\."):
        writable_folder(tmp_path / "file" / "below")


def zipped(compression: int, *members: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        for number, member in enumerate(members):
            archive.writestr(f"{number}", member)
    return content.getvalue()


def test_what_numpy_and_torch_write_is_welcome(tmp_path: Path) -> None:
    np.savez(tmp_path / "arrays.npz", a=np.arange(1000), b=np.zeros(0))
    torch.save({"a": torch.zeros(1000)}, tmp_path / "tensors.pt")
    for path in tmp_path.iterdir():
        check_archive(path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_packed_archive_is_refused(tmp_path: Path, compression: int) -> None:
    (tmp_path / "bomb").write_bytes(zipped(compression, bytes(10**6)))
    with pytest.raises(ValueError, match="grows when it is unpacked"):
        check_archive(tmp_path / "bomb")


def test_members_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    content = zipped(zipfile.ZIP_STORED, b"x" * 1000)
    entry = content[content.index(b"PK\x01\x02") : content.index(b"PK\x05\x06")]
    head, end = content[: content.index(b"PK\x01\x02")], bytearray(content[content.index(b"PK\x05\x06") :])
    end[8:12] = (3).to_bytes(2, "little") * 2
    end[12:16] = (3 * len(entry)).to_bytes(4, "little")
    (tmp_path / "bomb").write_bytes(head + 3 * entry + bytes(end))
    with pytest.raises(ValueError, match="grows when it is unpacked"):
        check_archive(tmp_path / "bomb")


@pytest.mark.parametrize(
    "content",
    [b"", b"no archive", b"PK\x05\x06", zipped(zipfile.ZIP_STORED, b"1")[:-9]],
    ids=["empty", "text", "only an end", "cut off"],
)
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ValueError, match="no archive"):
        check_archive(tmp_path / "file")
