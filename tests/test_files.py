"""What is read from files of others takes no more memory than they are large."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from glo_lightning.files import check_archive


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


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x05\x06", zipped(zipfile.ZIP_STORED, b"1")[:-9]])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ValueError, match="no archive"):
        check_archive(tmp_path / "file")
