"""One sentence for what a user can mend, with the value, the limit and the remedy; a traceback for the rest."""

import errno
import re
import sys
import traceback
from collections.abc import Sequence

from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import DictConfig
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    InterpolationResolutionError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

from litmus import launch
from litmus.config import did_you_mean, groups
from litmus.redact import redact

RESOLVED = ("ValueError", "KeyError", "OSError", "FileNotFoundError", "PermissionError", "IsADirectoryError")
LIGHTNING = ("pytorch_lightning", "lightning_fabric")
MISSING = re.compile(r"missing .*required .*argument")
PEER = re.compile("Connection (closed by|reset by) peer|NCCL communicator was aborted")
WORKER = re.compile(r"Caught ValueError in DataLoader worker process .*\nValueError: (?P<sentence>.+)", re.DOTALL)
KEY = re.compile(r"([a-z_]+(?:\.\w+)*)=")
MEMORY = re.compile(r"allocate memory|not enough memory|out of memory|storage size", re.IGNORECASE)


def say(error: Exception, everything: bool = False, overrides: Sequence[str] = ()) -> None:
    """One sentence on stderr, or the root cause and then the traceback; nothing where rank 0 says it.

    Args:
        overrides: Of the run. A key that the sentence begins with, and that a file wrote, is followed by the line.
    """
    if launch.is_silent(error):
        return
    sentence = None if everything else explain(error)
    if sentence is None:
        cause = _innermost(error)
        sentence = "".join([f"{type(cause).__name__}: {cause}\n\n", *traceback.format_exception(error)]).rstrip()
    else:  # what was given may hold anything, an end of line or a terminal's commands too
        sentence += _place(sentence, overrides)
        sentence = "".join(
            character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in sentence
        )
    print(redact(f"error: {sentence}"), file=sys.stderr)


def _place(sentence: str, overrides: Sequence[str]) -> str:
    """Where the value was written that a sentence is about, if that was in a file."""
    found = KEY.match(sentence)
    if found is None or not overrides:
        return ""
    from litmus.explain import written_in

    try:
        place = written_in(found[1], overrides)
    except Exception:  # the sentence is what matters
        return ""
    return f" ({place})" if place else ""


def explain(error: BaseException) -> str | None:
    """The sentence for a mistake of the user's; None for anything else."""
    cause = _innermost(error)
    package = _package_of(cause)
    if isinstance(cause, MissingConfigException) and cause.missing_cfg_file and cause.options is not None:
        group, _, name = cause.missing_cfg_file.rpartition("/")
        return f"{group}={name} does not exist: {did_you_mean(name, cause.options)}"
    if isinstance(cause, MissingMandatoryValue):
        return f"{cause.full_key} has no value: give {cause.full_key}=..."
    if isinstance(cause, ConfigKeyError | ConfigAttributeError) and isinstance(cause.parent_node, DictConfig):
        known = [str(key) for key in cause.parent_node]
        return f"{cause.full_key} is not a key: {did_you_mean(str(cause.key), known)}"
    if isinstance(cause, ConfigCompositionException) and (
        found := re.match(r"Could not override '([^']+)'", str(cause))
    ):
        names = [path.name for path in groups()]
        return f"{found[1]} is neither a group nor a key: {did_you_mean(found[1], names)}"
    if isinstance(cause, InterpolationResolutionError):  # it names the resolver's error, but does not chain it
        kind, _, message = _first_line(cause).partition(" raised while resolving interpolation: ")
        if kind == "TypeError":  # a resolver was given something else than it takes
            return f"{cause.full_key}: {message}"
        return message.strip('"') if kind in RESOLVED else None if message else kind
    if isinstance(cause, OverrideParseException):
        return f"{cause.override} can't be read: give KEY=VALUE, and quotes around any but plain words, KEY='\"VALUE\"'"
    if isinstance(cause, OmegaConfBaseException):
        return f"{cause.full_key}: {_first_line(cause)}" if cause.full_key else _first_line(cause)
    if isinstance(cause, HydraException):
        return _first_line(cause)
    if isinstance(cause, MemoryError) or (isinstance(cause, RuntimeError) and MEMORY.search(str(cause))):
        return f"out of memory: take a smaller model or data.batch_size ({_first_line(cause)})"
    if isinstance(error, InstantiationException) and (
        isinstance(cause, ValueError | ModuleNotFoundError)  # a value that torch refuses, or an extra that is missing
        or (isinstance(cause, TypeError) and (MISSING.search(str(cause)) or package in LIGHTNING))  # the same of a call
    ):
        where = re.search(r"full_key: (\S+)", str(error))
        return f"{where[1]}: {_first_line(cause)}" if where and package != "litmus" else _first_line(cause)
    if isinstance(cause, TypeError | ValueError) and package == "hydra":  # while it looked for the files of conf/
        return "a folder of conf/ takes the name of a file in it, or a list of names where it says so: GROUP=NAME"
    if PEER.search(str(cause)) and isinstance(cause, RuntimeError):
        return "another process of this run ended; what it said before tells why"
    if isinstance(cause, ValueError) and (found := WORKER.match(str(cause))):  # its traceback came as text
        return found["sentence"].strip().splitlines()[0]
    if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{cause.filename or 'a file'}: {cause.strerror}; what was written before is whole: free some, and go on"
    if isinstance(cause, TypeError | ValueError) and package == "omegaconf":  # while it followed a key
        return f"a key does not fit what stands there ({_first_line(cause)}): a list has numbers, as in KEY.0=VALUE"
    if isinstance(cause, OSError) and cause.strerror is not None:
        return f"{cause.filename or 'a file'}: {cause.strerror}"
    if isinstance(cause, ValueError | FileNotFoundError) and package == "litmus":
        return _first_line(cause)
    if _raised_by_restoring(cause):
        return f"the checkpoint is not one that this run can go on from: {type(cause).__name__}: {_first_line(cause)}"
    if type(cause).__name__ == "MisconfigurationException" or (
        isinstance(cause, ValueError | RuntimeError) and package in LIGHTNING  # of a mistake in the Trainer's arguments
    ):
        return _first_line(cause)
    return None


def _innermost(error: BaseException) -> BaseException:
    """What Hydra and OmegaConf wrapped; the chain stops at an error of our own, whose sentence is complete."""
    while isinstance(error, HydraException | OmegaConfBaseException) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _package_of(error: BaseException) -> str:
    """Whose code raised it."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return str(frames[-1].f_globals.get("__name__", "")).partition(".")[0] if frames else ""


def _raised_by_restoring(error: BaseException) -> bool:
    """Whether Lightning was at a checkpoint, whose parts it takes as they come."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame.name.strip("_") for frame in frames if frame.filename.endswith("checkpoint_connector.py")]
    return any(name.startswith(("restore", "resume")) for name in own)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
