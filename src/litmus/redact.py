"""Keeps secrets out of what is written: every value of the environment and of netrc that is known to be one."""

import json
import netrc
import os
import re
from pathlib import Path
from urllib.parse import quote

NAMES = re.compile(
    r"(API_?KEY|ACCESS_KEY|SECRET_KEY|PRIVATE_KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE)$", re.IGNORECASE
)
INSTEAD = "REDACTED"  # *** would be an alias in YAML
SHORTEST = 8  # characters: a shorter one stands in too many innocent words


def redact(text: str) -> str:
    """The text without its secrets, as they are or as JSON and addresses spell them; YAML and JSON stay readable."""
    for secret in sorted(_secrets(), key=len, reverse=True):  # one may be a part of another
        text = text.replace(secret, INSTEAD)
    return text


def _secrets() -> set[str]:
    values = [value for name, value in os.environ.items() if NAMES.search(name)] + _passwords()
    known = {value for value in values if len(value) >= SHORTEST}
    return known | {json.dumps(value)[1:-1] for value in known} | {quote(value, safe="") for value in known}


def _passwords() -> list[str]:
    """Of netrc, where `wandb login` keeps its key."""
    try:
        hosts = netrc.netrc(os.environ.get("NETRC") or Path.home() / ".netrc").hosts
    except (OSError, RuntimeError, ValueError, netrc.NetrcParseError):  # none, no home, not text, not netrc
        return []
    return [password for _, _, password in hosts.values() if password]
