"""Downloads that are either whole and checked or not there: a partial name, a checksum, one rename."""

import hashlib
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

if TYPE_CHECKING:
    from requests import Session

TIMEOUT = (10, 60)  # seconds to connect, seconds without a byte
PAUSES = (0.5, 1.0, 2.0)  # seconds before another try
BUSY = 429  # HTTP's word for "later"
LARGEST = 16 << 30  # bytes
CHUNK = 1 << 16  # bytes: what is lost when a connection breaks


def digest(path: Path, algorithm: str, opener: Callable[[Path], object] | None = None) -> str:
    """The hexadecimal checksum of a file; with `opener` (such as gzip.open), of what it holds."""
    with (opener or (lambda name: open(name, "rb")))(path) as file:  # type: ignore[attr-defined]
        return hashlib.file_digest(file, algorithm).hexdigest()


def fetch(url: str, path: Path) -> None:
    """Downloads to `path`, going on where an earlier try stopped, and trying again when the connection breaks.

    Raises:
        OSError: If the server can't be reached or refuses; what has come stays in `path` + `.part`.
        ValueError: If the address is not https, or more comes than there may be.
    """
    from litmus.data.https import encrypted_session

    part = path.with_name(path.name + ".part")
    with encrypted_session() as session:
        for pause in (*PAUSES, None):
            try:
                _transfer(session, url, part)
                break
            except OSError as error:
                response = getattr(error, "response", None)
                refused = response is not None and response.status_code < 500 and response.status_code != BUSY
                if pause is None or refused or error.errno is not None:  # the last: of the disk, not of the network
                    raise
                time.sleep(pause)
    part.rename(path)


def _transfer(session: "Session", url: str, part: Path) -> None:
    """Appends to `part` what it lacks."""
    from tqdm import tqdm

    have = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    with session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        place = response.headers.get("Content-Range", "")
        if response.status_code == 416 and place.endswith(f"/{have}"):
            return  # the whole file had come already
        if response.status_code == 416 or (response.status_code == 206 and not place.startswith(f"bytes {have}-")):
            part.unlink()  # it is of something else
            raise ConnectionError(f"{url} does not go on where it stopped")
        response.raise_for_status()
        resumed = response.status_code == 206
        start = have if resumed else 0
        declared = response.headers.get("Content-Length")
        total = None if declared is None else start + int(declared)
        most = LARGEST if total is None else min(total, LARGEST)
        part.parent.mkdir(parents=True, exist_ok=True)
        bar = tqdm(desc=part.stem, total=total, initial=start, unit="B", unit_scale=True, disable=None)
        with bar, open(part, "ab" if resumed else "wb") as file:
            for chunk in response.iter_content(CHUNK):
                bar.update(file.write(chunk))
                if file.tell() > most:
                    part.unlink()
                    raise ValueError(f"{url} sends more than {most:,} bytes: it was stopped, and nothing is kept of it")


def only_one(folder: Path) -> FileLock:
    """A lock on downloads into a folder, which need not exist."""
    key = hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:16]
    return FileLock(Path(tempfile.gettempdir(), f"litmus-{key}.lock"))


def obtain(name: str, url: str, path: Path, matches: Callable[[Path], bool], places: Iterable[Path]) -> None:
    """Downloads a file of the data set `name`, which was looked for in `places`, and keeps it only if it `matches`.

    Raises:
        FileNotFoundError: If there is no network: what is missing, where it was looked for, what to do.
        ValueError: If the checksum differs, and then nothing is left behind, or if there is no room.
    """
    try:
        fetch(url, path)
    except OSError as error:
        if error.errno is not None:
            raise ValueError(f"{path} can't be written: {error.strerror}") from error
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
