"""Where the files of a named data set come from: one by one, or in an archive; checked either way."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from litmus.data.archive import unpack
from litmus.data.download import digest, obtain, only_one


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
            if ".." in Path(file).parts or Path(file).is_absolute():
                raise ValueError(f"{name} has a file {file}, which would be downloaded to outside of {folder}")
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
            if not (archive.exists() and self._matches(archive)):
                obtain(name, self.url, archive, self._matches, [folder])
            try:
                unpack(archive, folder, self.strip, wanted)
            except ValueError:
                archive.unlink()
                raise
            archive.unlink()

    def _matches(self, path: Path) -> bool:
        return has_checksum(path, self.checksum)


def has_checksum(path: Path, checksum: str) -> bool:
    """Whether a file has the checksum `algorithm:hexadecimal digits`."""
    algorithm, _, expected = checksum.partition(":")
    return digest(path, algorithm) == expected
