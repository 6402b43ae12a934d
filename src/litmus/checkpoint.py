"""Checkpoint files: whole or not there, checked as they are read, and nothing but tensors and plain values."""

import logging
import os
import pickle
import shutil
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from lightning_fabric.plugins import TorchCheckpointIO

from litmus.folder import beside, flush, step_checkpoints

SHARD = "this rank's rows"  # marks a tensor of which each rank has some
OLD = ".old"  # ends the name of shards that are being replaced
log = logging.getLogger(__name__)


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the name, flushes to the disk, then renames: a kill leaves the old file or the new one."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Sequence[Path] | None = None
    ) -> None:
        """Writes a checkpoint.

        Args:
            storage_options: Other names for the same file, which are there before it is.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        for name in map(Path, (path, *(storage_options or ()))):
            if name.is_dir():  # of shards, which another number of devices may go on from
                shutil.rmtree(name)
        partial = beside(path)
        try:
            with open(partial, "wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            for name in storage_options or ():
                link = beside(name)
                link.unlink(missing_ok=True)
                try:
                    link.hardlink_to(partial)
                except OSError:  # not every file system has links
                    shutil.copyfile(partial, link)
                    flush(link)
                link.replace(name)
            partial.replace(path)
        except BaseException as error:
            for name in (path, *(storage_options or ())):
                beside(name).unlink(missing_ok=True)
            cause = error.__context__ if isinstance(error, RuntimeError) else error  # torch's, of a write that failed
            if isinstance(cause, OSError):
                raise OSError(cause.errno, cause.strerror, str(path)) from error
            raise
        flush(path.parent)

    def load_checkpoint(
        self, path: str | Path, map_location: Callable[..., Any] | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        return read_checkpoint(Path(path))


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint on the CPU, put together if it is in shards; no code in it is ever run.

    Raises:
        ValueError: If a file is damaged or holds anything but tensors and plain values.
    """
    check_whole(path)
    if path.is_dir():
        return cast(dict[str, Any], joined([_read(part) for part in shards(path)]))
    return _read(path)


def read_shard(path: Path, rank: int, ranks: int) -> dict[str, Any]:
    """One rank's part of a checkpoint in as many shards as there are ranks; of any other, the whole."""
    parts = shards(path) if path.is_dir() else []
    if len(parts) != ranks:
        return read_checkpoint(path)
    check_whole(parts[rank])
    return _read(parts[rank])


def shards(path: Path) -> list[Path]:
    """The files of a checkpoint in shards, by rank.

    Raises:
        ValueError: If one is missing.
    """
    found = sorted(path.glob("rank-*.ckpt"), key=lambda part: int(part.stem.split("-")[1]))
    wanted = int(found[0].stem.split("-")[3]) if found else 1
    if len(found) != wanted:
        raise ValueError(f"the checkpoint {path} is damaged: it has {len(found)} of its {wanted} shards")
    return found


def shard_name(rank: int, ranks: int) -> str:
    return f"rank-{rank}-of-{ranks}.ckpt"


def joined(parts: list[Any]) -> Any:
    """What the ranks' parts are of: rows of tensors one after the other, and the first one's word for the rest."""
    first = parts[0]
    if isinstance(first, dict):
        if first.keys() == {SHARD}:
            return torch.cat([part[SHARD] for part in parts])
        return {key: joined([part[key] for part in parts]) for key in first}
    return [joined(list(items)) for items in zip(*parts, strict=True)] if isinstance(first, list) else first


def remove(path: Path) -> None:
    """A checkpoint, in one file or in shards."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise ValueError(_damaged(path, error)) from error
    if not isinstance(content, dict) or "state_dict" not in content:
        raise ValueError(f"the checkpoint {path} is not one of ours: it has no state_dict")
    return content


def check_whole(path: Path) -> None:
    """Holds every part of a checkpoint, which is a zip archive, against the checksum that was written with it.

    Raises:
        ValueError: If one differs, or the file is cut short, or there is none.
    """
    if path.is_dir():
        for shard in shards(path):
            check_whole(shard)
        return
    try:
        with zipfile.ZipFile(path) as archive:
            if any(part.compress_type != zipfile.ZIP_STORED for part in archive.infolist()):
                raise ValueError("its parts are compressed, and a little of that can fill the memory")
            part = archive.testzip()
    except FileNotFoundError as error:
        raise ValueError(f"there is no checkpoint {path}") from error
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise ValueError(_damaged(path, error)) from error
    if part is not None:
        raise ValueError(f"the checkpoint {path} is damaged: the checksum of {part} differs")


def newest_whole(folder: Path) -> Path | None:
    """The newest checkpoint of a run to go on from, None if there was none yet. Those after it that are damaged are put
    aside.

    Raises:
        ValueError: If all of them are damaged.
    """
    damaged: dict[Path, ValueError] = {}
    for path in reversed(step_checkpoints(folder)):
        try:
            check_whole(path)
        except ValueError as error:
            damaged[path] = error
            continue
        for each, reason in damaged.items():
            log.warning(f"{reason}; it is kept as {each.name}.damaged, and the one before it is taken")
            each.rename(each.with_name(each.name + ".damaged"))
        return path
    if damaged:
        raise ValueError(f"no checkpoint of {folder.name} can be read: there is nothing to go on from, so start anew")
    return None


def _damaged(path: Path, error: Exception) -> str:
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    return f"the checkpoint {path} can't be read, it is damaged or not one of ours: {reason}"
