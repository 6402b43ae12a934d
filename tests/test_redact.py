"""No secret is written: values of the environment and passwords of netrc, in whatever way a file spells them."""

import json
import shlex
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml

from litmus.redact import redact

SECRET = "s3cret-value"


@pytest.fixture(autouse=True)
def no_netrc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    return tmp_path / "netrc"


@pytest.mark.parametrize(
    "name",
    [
        "WANDB_API_KEY",
        "HF_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "CLIENT_SECRET",
        "DB_PASSWORD",
        "PGPASSWORD",
        "my_private_key",
    ],
)
def test_a_secret_of_the_environment_is_left_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, SECRET)
    assert redact(f"tags=[{SECRET}], again {SECRET}!") == "tags=[REDACTED], again REDACTED!"


@pytest.mark.parametrize("name", ["PWD", "TOKENIZERS_PARALLELISM", "SSH_AUTH_SOCK", "WANDB_PROJECT", "KEYBOARD"])
def test_other_variables_stay(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, SECRET)
    assert redact(SECRET) == SECRET


def test_a_short_value_stays_as_it_stands_in_innocent_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "resnet2")
    assert redact("model=resnet20") == "model=resnet20"


def test_the_key_that_wandb_login_left_is_left_out(no_netrc: Path) -> None:
    no_netrc.write_text(f"machine api.wandb.ai\n  login user\n  password {SECRET}\n")
    assert redact(f"wrong key: {SECRET}") == "wrong key: REDACTED"


@pytest.mark.parametrize("content", ["machine", "machine host login", "\x00\xff", "nothing of the kind"])
def test_a_broken_netrc_is_none(content: str, no_netrc: Path) -> None:
    no_netrc.write_text(content)
    assert redact(SECRET) == SECRET


def test_a_netrc_in_another_encoding_is_none(no_netrc: Path) -> None:
    no_netrc.write_bytes(b"machine host login user password p\xe4ssw\xf6rd-1\n")
    assert redact(SECRET) == SECRET


def test_a_secret_that_contains_another_is_left_out_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_TOKEN", SECRET)
    monkeypatch.setenv("B_TOKEN", f"{SECRET}-and-more")
    assert redact(f"{SECRET}-and-more {SECRET}") == "REDACTED REDACTED"


@pytest.mark.parametrize(
    "secret", ['quote"inside', "back\\slash-1", "päss-wörter", "a/b+c=d&e?f", "two words", "tab\tinside"]
)
def test_it_is_found_in_json_yaml_commands_addresses_and_tracebacks(
    secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_PASSWORD", secret)
    texts = [
        json.dumps({"command": secret}, indent=2),
        json.dumps(shlex.join(["python", "train.py", f"name={secret}"])),
        yaml.safe_dump({"tags": [secret], "text": f"a {secret} b"}, allow_unicode=True),
        f"https://user:{quote(secret, safe='')}@host/",
        repr(ValueError(secret)),
    ]
    for text in texts:
        assert "REDACTED" in redact(text), text
    assert yaml.safe_load(redact(texts[2])) == {"tags": ["REDACTED"], "text": "a REDACTED b"}
    assert json.loads(redact(texts[0])) == {"command": "REDACTED"}
