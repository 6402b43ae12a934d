"""Where the files of a named data set come from: one by one, or in an archive; checked either way."""

import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from litmus.data.download import digest, obtain, only_one

LARGEST = 4 << 30  # bytes that an archive may unpack to


@runtime_checkable
class Remote(Protocol):
    """One of the classes below."""

    def fetch(self, name: str, folder: Path, wanted: Sequence[str]) -> None:
        """Brings the files or folders `wanted` of the data set `name` into `folder`, where they are not there yet."""


class RemoteFiles:
    """Files at `url`/NAME.

    Args:
        checksums: `algorithm:hexadecimal digits` of each file; what is there already is held against it as well.
    """

    def __init__(self, url: str, checksums: Mapping[str, str]) -> None:
        self.url, self.checksums = url, checksums

    def fetch(self, name: str, folder: Path, wanted: Sequence[str]) -> None:
        for file in wanted:
            path = folder / file
            if not path.exists():
                with only_one(folder):
                    if not path.exists():
                        obtain(name, f"{self.url}/{file}", path, self._matches, [folder])
            elif not self._matches(path):
                raise ValueError(
                    f"{path} is not the published file, its checksum differs: delete it to download it again"
                )

    def _matches(self, path: Path) -> bool:
        return path.name not in self.checksums or has_checksum(path, self.checksums[path.name])


class RemoteArchive:
    """A tar or zip archive, whose top folders come to stand in the data set's folder.

    Args:
        checksum: `algorithm:hexadecimal digits`.
        strip: Leading folders of its paths to leave out.
    """

    def __init__(self, url: str, checksum: str, strip: int) -> None:
        self.url, self.checksum, self.strip = url, checksum, strip

    def fetch(self, name: str, folder: Path, wanted: Sequence[str]) -> None:
        if all((folder / item).exists() for item in wanted):
            return
        with only_one(folder):
            if all((folder / item).exists() for item in wanted):
                return
            archive = folder.parent / f".{folder.name}-{self.url.rpartition('/')[2]}"
            if not archive.exists():
                obtain(name, self.url, archive, self._matches, [folder])
            unpack(archive, folder, self.strip, wanted)
            archive.unlink()

    def _matches(self, path: Path) -> bool:
        return has_checksum(path, self.checksum)


def has_checksum(path: Path, checksum: str) -> bool:
    """Whether a file has the checksum `algorithm:hexadecimal digits`."""
    algorithm, _, expected = checksum.partition(":")
    return digest(path, algorithm) == expected


def unpack(archive: Path, folder: Path, strip: int, wanted: Sequence[str]) -> None:
    """Unpacks the parts of an archive that are wanted into a folder; each appears whole or not at all.

    Raises:
        ValueError: If the archive is no archive, too large, or lacks a part.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unpacking-") as scratch:
        if tarfile.is_tarfile(archive):
            with tarfile.open(archive) as tar:
                _check_size(archive, sum(member.size for member in tar))
                tar.extractall(scratch, filter="data")
        elif zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                _check_size(archive, sum(info.file_size for info in packed.infolist()))
                packed.extractall(scratch)
        else:
            raise ValueError(f"{archive} is neither a tar nor a zip archive")
        top = Path(scratch)
        for _ in range(strip):
            (top,) = (path for path in top.iterdir() if path.is_dir())
        for item in wanted:
            if not (top / item).exists():
                raise ValueError(f"{archive} has no {item}: it is not the archive that was expected")
            if not (folder / item).exists():
                (folder / item).parent.mkdir(parents=True, exist_ok=True)
                shutil.move(top / item, folder / item)


def _check_size(archive: Path, size: int) -> None:
    if size > LARGEST:
        raise ValueError(f"{archive} would unpack to {size:,} bytes, more than {LARGEST:,}")
