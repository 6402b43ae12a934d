"""Archives: plain files and folders come out of them, within limits, whole or not at all; nothing else does."""

import bz2
import gzip
import lzma
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

LARGEST = 4 << 30  # bytes that an archive may unpack to
MOST = 1_000_000  # members
DEEPEST = 32  # folders in one another
LARGEST_READ = 16 << 20  # bytes that a tar archive may ask for at once: a header can be a bomb, too
CHUNK = 1 << 20  # bytes
COMPRESSIONS: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    UnicodeError,
    NotImplementedError,  # a compression that Python does not know
)

Member = tuple[str, int, Callable[[], Any] | None]  # path, bytes, and how to open it if it is a file


def unpack(archive: Path, folder: Path, strip: int, wanted: Sequence[str]) -> None:
    """Unpacks the files or folders that are wanted out of a tar or zip archive; each appears whole or not at all.

    Args:
        strip: Leading folders of the archive's paths to leave out.

    Raises:
        ValueError: If the archive is damaged, lacks a part, passes a limit, or holds a link, a device, or a path that
            leads elsewhere.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".unpacking-") as scratch:
        try:
            _write(archive, Path(scratch), strip, wanted)
        except DAMAGE as error:
            raise ValueError(f"{archive} can't be unpacked, delete it to download it again: {error}") from error
        except (FileExistsError, NotADirectoryError) as error:
            raise ValueError(f"{archive} has two members of one name, so it was not unpacked: {error}") from error
        for item in wanted:
            if not Path(scratch, item).exists():
                raise ValueError(f"{archive} has no {item}: it is not the archive that was expected")
        for item in wanted:
            if not (folder / item).exists():
                (folder / item).parent.mkdir(parents=True, exist_ok=True)
                shutil.move(Path(scratch, item), folder / item)


def _write(archive: Path, folder: Path, strip: int, wanted: Sequence[str]) -> None:
    """Writes what is wanted, and looks at the rest."""
    total = 0
    for count, (name, size, opener) in enumerate(_members(archive), 1):
        total += size
        if count > MOST or total > LARGEST:
            raise ValueError(f"{archive} is not unpacked: it has more than {MOST:,} members or {LARGEST:,} bytes")
        path = folder.joinpath(*Path(name).parts[strip:])
        if not any(path == folder / item or folder / item in path.parents for item in wanted):
            continue
        if opener is None:
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with opener() as source, open(path, "xb") as file:
            while chunk := source.read(CHUNK):
                file.write(chunk)
                if file.tell() > size:
                    raise ValueError(f"{archive} is not unpacked: {name} is larger than the {size:,} bytes it declares")


def _members(archive: Path) -> Iterator[Member]:
    """Files and folders as they come.

    Raises:
        ValueError: For anything else, and if this is no archive.
    """
    with open(archive, "rb") as file:
        head = file.read(6)
    if head.startswith(b"PK"):
        with zipfile.ZipFile(archive) as packed:
            for entry in packed.infolist():
                kind = stat.S_IFMT(entry.external_attr >> 16)
                _check(archive, entry.filename, kind in (0, stat.S_IFREG, stat.S_IFDIR))
                if entry.flag_bits & 1:
                    raise ValueError(f"{archive} is not unpacked: {entry.filename} is encrypted")
                yield entry.filename, entry.file_size, None if entry.is_dir() else partial(packed.open, entry)
        return
    opener = next((COMPRESSIONS[magic] for magic in COMPRESSIONS if head.startswith(magic)), open)
    with opener(archive, "rb") as file:
        try:
            tar = tarfile.TarFile(fileobj=_Measured(file))  # type: ignore[arg-type]
        except tarfile.ReadError as error:
            raise ValueError(f"{archive} is neither a tar nor a zip archive") from error
        for member in tar:
            _check(archive, member.name, member.isfile() or member.isdir())
            tarfile.data_filter(member, str(archive.parent))
            yield member.name, member.size, partial(tar.extractfile, member) if member.isfile() else None


def _check(archive: Path, name: str, plain: bool) -> None:
    if not plain:
        raise ValueError(f"{archive} is not unpacked: {name} is a link or a device, not a regular file or a folder")
    if Path(name).is_absolute() or ".." in Path(name).parts or "\0" in name:
        raise ValueError(f"{archive} is not unpacked: {name[:100]!r} leads out of its folder")
    if len(Path(name).parts) > DEEPEST:
        raise ValueError(f"{archive} is not unpacked: {name[:100]} ... is more than {DEEPEST} folders deep")


class _Measured:
    """A file that gives no more at once than `LARGEST_READ`."""

    def __init__(self, file: Any) -> None:
        self.file, self.seek, self.tell = file, file.seek, file.tell

    def read(self, size: int) -> Any:
        if size > LARGEST_READ:
            raise tarfile.ReadError(f"a header asks for {size:,} bytes")
        return self.file.read(size)
