"""Downloads that are either whole and checked or not there: a partial name, a checksum, one rename."""

import hashlib
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from filelock import FileLock

TIMEOUT = (10, 60)  # seconds to connect, seconds without a byte
CHUNK = 1 << 20  # bytes


def digest(path: Path, algorithm: str, opener: Callable[[Path], object] | None = None) -> str:
    """The hexadecimal checksum of a file; with `opener` (such as gzip.open), of what it holds."""
    with (opener or (lambda name: open(name, "rb")))(path) as file:  # type: ignore[attr-defined]
        return hashlib.file_digest(file, algorithm).hexdigest()


def fetch(url: str, path: Path) -> None:
    """Downloads to `path`, going on where an earlier try stopped.

    Raises:
        OSError: If the server can't be reached or refuses; what has come stays in `path` + `.part`.
    """
    import requests
    from requests.adapters import HTTPAdapter
    from tqdm import tqdm
    from urllib3.util import Retry

    part = path.with_name(path.name + ".part")
    have = part.stat().st_size if part.exists() else 0
    with requests.Session() as session:
        session.mount("https://", HTTPAdapter(max_retries=Retry(total=2, backoff_factor=0.5)))
        headers = {"Range": f"bytes={have}-"} if have else {}
        with session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            if response.status_code != 416:  # 416: the whole file had come already
                response.raise_for_status()
                resumed = response.status_code == 206
                size = int(response.headers.get("Content-Length", 0)) + have * resumed
                part.parent.mkdir(parents=True, exist_ok=True)
                bar = tqdm(desc=path.name, total=size, initial=have * resumed, unit="B", unit_scale=True, disable=None)
                with bar, open(part, "ab" if resumed else "wb") as file:
                    for chunk in response.iter_content(CHUNK):
                        bar.update(file.write(chunk))
    part.rename(path)


def only_one(folder: Path) -> FileLock:
    """A lock on downloads into a folder, which need not exist."""
    key = hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:16]
    return FileLock(Path(tempfile.gettempdir(), f"litmus-{key}.lock"))


def obtain(name: str, url: str, path: Path, matches: Callable[[Path], bool], places: Iterable[Path]) -> None:
    """Downloads a file of the data set `name`, which was looked for in `places`, and keeps it only if it `matches`.

    Raises:
        FileNotFoundError: If there is no network: what is missing, where it was looked for, what to do.
        ValueError: If the checksum differs; nothing is left behind.
    """
    try:
        fetch(url, path)
    except OSError as error:
        raise FileNotFoundError(
            f"{name} is not in {' or '.join(str(place.absolute()) for place in places)}, and {url} can't be reached "
            f"({root_cause(error)}): pass data.root=FOLDER where it stands, run once with a network, or train on the "
            "embedded images with data=digits"
        ) from error
    if not matches(path):
        path.unlink()
        raise ValueError(f"{url} is not the file that was expected: its checksum differs, so it was deleted; try again")


def root_cause(error: BaseException) -> str:
    """What lies under a chain of exceptions, such as requests' over urllib3's over the system's."""
    while under := error.__cause__ or error.__context__:
        error = under
    return str(error).strip()


def extract(archive: Path, folder: Path, names: Iterable[str]) -> None:
    """Takes the regular files `folder.name`/`names` out of a tar archive, and nothing else; `folder` appears whole or
    not at all.

    Raises:
        ValueError: If the archive lacks one of them.
    """
    with tarfile.open(archive) as tar, tempfile.TemporaryDirectory(dir=folder.parent, prefix=".extract-") as scratch:
        for name in names:
            member = f"{folder.name}/{name}"
            try:
                info = tar.getmember(member)
            except KeyError as error:
                raise ValueError(f"{archive} has no {member}: it is not the archive that was expected") from error
            if not info.isfile():
                raise ValueError(f"{archive}: {member} is not a regular file")
            tar.extract(info, scratch, filter="data")
        if folder.exists():  # an incomplete one: it was not found to hold all its files
            for name in names:
                shutil.move(Path(scratch, folder.name, name), folder / name)
        else:
            Path(scratch, folder.name).rename(folder)
