"""The secrets file: how it appears, who may read it, and what it must say."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from freehold.clock import ManualClock
from freehold.crypto import KeysInvalid, SecretsFile, SecretsFileExists, SecretsFileRefused
from freehold.errors import KeysMissing, StartError
from freehold.ids import IdStream, SeededIds

PEPPER, ONE, TWO = "aa" * 32, "0123456789abcdef" * 4, "fedcba9876543210" * 4


def stream(seed: int = 1) -> IdStream:
    return IdStream(SeededIds(seed).seed(), now_ms=0)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def content(**changes: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "pepper": PEPPER,
        "created": "2026-01-31T09:00:00Z",
        "column_keys": [{"id": "k2", "secret": TWO}, {"id": "k1", "secret": ONE}],
    } | changes


def written(path: Path, what: object, *, mode: int = 0o600) -> Path:
    path.write_text(what if isinstance(what, str) else json.dumps(what))
    path.chmod(mode)
    return path


# --- making one ------------------------------------------------------------------


def test_a_new_file_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    """0600, in directories of 0700 that were made for it; nothing else is left behind."""
    path = tmp_path / "etc" / "freehold" / "secrets.json"

    SecretsFile.create(path, stream().random_bytes)

    assert mode_of(path) == 0o600
    assert mode_of(path.parent) == 0o700
    assert mode_of(path.parent.parent) == 0o700
    assert os.listdir(path.parent) == ["secrets.json"]
    assert path.stat().st_nlink == 1


def test_the_rights_do_not_depend_on_the_umask(tmp_path: Path) -> None:
    """An open umask does not open the file, a closed one does not lock its owner out."""
    script = (
        "import os, sys\n"
        "from freehold.crypto import SecretsFile\n"
        "os.umask(int(sys.argv[2], 8))\n"
        "SecretsFile.create(sys.argv[1], os.urandom)\n"
    )
    for umask in ("000", "022", "277"):
        path = tmp_path / umask / "secrets.json"
        path.parent.mkdir(mode=0o755)
        subprocess.run([sys.executable, "-c", script, str(path), umask], check=True)

        assert mode_of(path) == 0o600, umask
        assert mode_of(path.parent) == 0o755, "a directory that was there is left as it is"


def test_a_new_file_says_what_the_documentation_says(tmp_path: Path) -> None:
    """Version, pepper, the first column key `k1`, and when it was made."""
    path = tmp_path / "secrets.json"
    clock = ManualClock(wall_s=1_769_850_000.9)

    made = SecretsFile.create(path, stream().random_bytes, clock=clock)

    said = json.loads(path.read_text())
    assert said == {
        "version": 1,
        "pepper": made.pepper.reveal().hex(),
        "created": "2026-01-31T09:00:00Z",
        "column_keys": [{"id": "k1", "secret": made.ring.primary.secret.reveal().hex()}],
    }
    assert made.created == "2026-01-31T09:00:00Z"
    assert made.path == path
    assert len(made.pepper.reveal()) == 32
    assert made.ring.ids == ("k1",)


def test_what_was_created_is_what_is_loaded(tmp_path: Path) -> None:
    """The same secrets, at every start."""
    path = tmp_path / "secrets.json"

    made = SecretsFile.create(str(path), stream().random_bytes)
    read = SecretsFile.load(str(path))

    assert read.pepper == made.pepper
    assert read.ring.primary.secret == made.ring.primary.secret
    assert read.created == made.created


def test_every_secret_is_drawn_on_its_own(tmp_path: Path) -> None:
    """Two files share nothing, and in one file the pepper is not the key."""
    files = [
        SecretsFile.create(tmp_path / str(seed), stream(seed).random_bytes) for seed in range(5)
    ]

    drawn = {file.pepper.reveal() for file in files}
    drawn |= {file.ring.primary.secret.reveal() for file in files}
    assert len(drawn) == 10


def test_a_file_that_is_there_is_never_written_over(tmp_path: Path) -> None:
    """Its keys may be the only ones that open a database."""
    path = written(tmp_path / "secrets.json", "anything at all")

    with pytest.raises(SecretsFileExists, match="was left as it is"):
        SecretsFile.create(path, stream().random_bytes)

    assert path.read_text() == "anything at all"
    assert os.listdir(tmp_path) == ["secrets.json"]


def test_a_link_is_not_followed_when_a_file_is_made(tmp_path: Path) -> None:
    """Not even one that leads nowhere yet: the secrets would appear where somebody else says."""
    path = tmp_path / "secrets.json"
    path.symlink_to(tmp_path / "elsewhere.json")

    with pytest.raises(SecretsFileExists):
        SecretsFile.create(path, stream().random_bytes)

    assert os.listdir(tmp_path) == ["secrets.json"]


def test_of_many_that_create_at_once_one_succeeds(tmp_path: Path) -> None:
    """All others are told that it exists, and what they then load is whole and the winner's."""
    for turn in range(10):
        path = tmp_path / str(turn) / "deep" / "secrets.json"

        def attempt(seed: int, path: Path = path) -> SecretsFile | None:
            try:
                return SecretsFile.create(path, stream(seed).random_bytes)
            except SecretsFileExists:
                assert SecretsFile.load(path).ring.ids == ("k1",)
                return None

        with ThreadPoolExecutor(6) as pool:
            made = [file for file in pool.map(attempt, range(6)) if file is not None]

        assert len(made) == 1
        assert SecretsFile.load(path).pepper == made[0].pepper
        assert os.listdir(path.parent) == ["secrets.json"]


SYNCED = """
import os, sys
from freehold.crypto import SecretsFile

order = []

def watch(event, args):
    if event == "os.link":
        order.append("link")
    if event == "os.mkdir":
        order.append("mkdir " + os.path.basename(args[0]))

sys.addaudithook(watch)
real = os.fsync

def fsync(descriptor):
    name = os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}"))
    order.append("sync " + ("draft" if name.startswith(".secrets-") else name))
    real(descriptor)

os.fsync = fsync
SecretsFile.create(sys.argv[1], os.urandom)
print("\\n".join(order))
"""


def test_a_new_file_is_durable_before_it_is_used(tmp_path: Path) -> None:
    """The content is synced before it gets its name, and the directory after."""
    top = tmp_path / "top"
    top.mkdir()

    done = subprocess.run(
        [sys.executable, "-c", SYNCED, str(top / "new" / "secrets.json")],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.splitlines() == ["mkdir new", "sync top", "sync draft", "link", "sync new"]


def test_a_place_that_cannot_be_written_is_refused_in_words(tmp_path: Path) -> None:
    """A file in the way of a directory: the text says what the system said."""
    (tmp_path / "file").write_text("")

    with pytest.raises(SecretsFileRefused, match="cannot be written: ") as refusal:
        SecretsFile.create(tmp_path / "file" / "secrets.json", stream().random_bytes)

    assert refusal.value.hint


def test_a_source_of_randomness_that_repeats_itself_is_noticed(tmp_path: Path) -> None:
    """A pepper that equals the key, or a short one, is never written."""
    for broken in (lambda count: bytes(count), lambda count: os.urandom(count - 1)):
        with pytest.raises(AssertionError, match="source of randomness"):
            SecretsFile.create(tmp_path / "secrets.json", broken)

    assert os.listdir(tmp_path) == []


# --- reading one -------------------------------------------------------------------


def test_the_first_column_key_is_the_primary(tmp_path: Path) -> None:
    """A rotation puts the new key in front."""
    file = SecretsFile.load(written(tmp_path / "secrets.json", content()))

    assert file.ring.ids == ("k2", "k1")
    assert file.ring.primary.secret.reveal() == bytes.fromhex(TWO)
    assert file.pepper.reveal() == bytes.fromhex(PEPPER)
    assert file.created == "2026-01-31T09:00:00Z"


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_the_owners_rights_are_enough(tmp_path: Path, mode: int) -> None:
    """A file that is read-only is welcome."""
    file = SecretsFile.load(written(tmp_path / "secrets.json", content(), mode=mode))

    assert file.ring.ids == ("k2", "k1")


@pytest.mark.parametrize(
    "mode", [0o640, 0o604, 0o660, 0o644, 0o666, 0o620, 0o602, 0o610, 0o601, 0o777]
)
def test_a_file_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    """Each single right of the group or of the others, with the command that repairs it."""
    path = written(tmp_path / "my secrets.json", content(), mode=mode)

    with pytest.raises(SecretsFileRefused, match=f"mode {mode:04o}") as refusal:
        SecretsFile.load(path)

    assert f"chmod 600 '{path}'" in refusal.value.hint
    assert refusal.value.exit_code == 78
    assert isinstance(refusal.value, StartError)
    assert mode_of(path) == mode, "it is refused, not repaired"


def test_a_link_is_judged_by_the_file_it_leads_to(tmp_path: Path) -> None:
    """Mounted secrets are links; what counts is who can read the content."""
    target = written(tmp_path / "target", content(), mode=0o644)
    path = tmp_path / "secrets.json"
    path.symlink_to(target)

    with pytest.raises(SecretsFileRefused, match="mode 0644"):
        SecretsFile.load(path)
    target.chmod(0o600)
    assert SecretsFile.load(path).ring.ids == ("k2", "k1")


def test_a_file_that_is_not_there_is_missing_keys(tmp_path: Path) -> None:
    """New or lost: the text names both next steps."""
    with pytest.raises(KeysMissing, match="there is no secrets file at") as refusal:
        SecretsFile.load(tmp_path / "secrets.json")

    assert "create one" in refusal.value.hint
    assert "restore" in refusal.value.hint


def test_only_a_regular_file_is_read(tmp_path: Path) -> None:
    """A directory is refused; a named pipe too, and without waiting for a writer."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o700)
    before = len(os.listdir("/proc/self/fd"))

    for path in (pipe, folder):
        with pytest.raises(SecretsFileRefused, match="is not a regular file"):
            SecretsFile.load(path)

    assert len(os.listdir("/proc/self/fd")) == before


def test_a_file_at_the_limit_is_read_and_one_past_it_is_not(tmp_path: Path) -> None:
    """64 KiB hold hundreds of keys; more is some other file."""
    text = json.dumps(content())

    at_limit = written(tmp_path / "at", text + " " * (65_536 - len(text)))
    assert SecretsFile.load(at_limit).ring.ids == ("k2", "k1")
    with pytest.raises(SecretsFileRefused, match="is larger than 65,536 bytes"):
        SecretsFile.load(written(tmp_path / "past", text + " " * (65_537 - len(text))))


WRONG_FIELDS = "has not the fields of version 1"


@pytest.mark.parametrize(
    ("what", "rule"),
    [
        ("", "is not JSON"),
        (json.dumps(content())[:-1], "is not JSON"),
        (f"pepper={PEPPER}", "is not JSON"),
        ("[" * 10_000, "is not JSON|has not the fields"),
        ("null", WRONG_FIELDS),
        ("[]", WRONG_FIELDS),
        ({}, WRONG_FIELDS),
        (content(version="1"), WRONG_FIELDS),
        (content(version=0), "is of version 0, and this program reads version 1"),
        (content(version=2, more=1), "is of version 2, and this program reads version 1"),
        (content(more=1), WRONG_FIELDS),
        (content(pepper=None), WRONG_FIELDS),
        (content(pepper=""), "has a pepper that has 0 characters"),
        (content(pepper=PEPPER[:-2]), "has a pepper that has 62 characters"),
        (content(pepper=PEPPER + "aa"), "has a pepper that has 66 characters"),
        (content(pepper=PEPPER[:-1] + "g"), "has a pepper that has characters that are not hexa"),
        (content(created=7), WRONG_FIELDS),
        (content(column_keys={}), WRONG_FIELDS),
        (content(column_keys=[]), "has no column key"),
        (content(column_keys=[{"id": "k1"}]), WRONG_FIELDS),
        (content(column_keys=[{"id": "k1", "secret": ONE, "x": 1}]), WRONG_FIELDS),
        (content(column_keys=[{"id": "k1", "secret": ONE[:32]}]), "number 1, that has 32 charac"),
        (content(column_keys=[{"id": ONE, "secret": "k1"}]), "number 1, that has no usable id"),
        (
            content(column_keys=[{"id": "k1", "secret": ONE}, {"id": "k1", "secret": TWO}]),
            "two column keys have the id 'k1'",
        ),
        (
            content(column_keys=[{"id": "k2", "secret": ONE}, {"id": "k1", "secret": ONE}]),
            "'k2' and 'k1' are the same key",
        ),
    ],
)
def test_a_content_that_breaks_a_rule_is_refused_without_being_shown(
    tmp_path: Path, what: object, rule: str
) -> None:
    """The refusal names the file, the rule and the next step; nothing of the content."""
    path = written(tmp_path / "secrets.json", what)

    with pytest.raises(SecretsFileRefused, match=rule) as refusal:
        SecretsFile.load(path)

    behind = refusal.value.__cause__ or refusal.value.__context__
    assert behind is None or isinstance(behind, KeysInvalid)
    said = f"{refusal.value} {refusal.value!r} {vars(refusal.value)} {behind!r}"
    assert str(path) in said
    assert refusal.value.hint
    for secret in (PEPPER, ONE, TWO):
        assert secret[:8] not in said


def test_a_content_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """A binary file at this path is some other file."""
    path = tmp_path / "secrets.json"
    path.write_bytes(b'{"version":1,"pepper":"\xff\xfe"}')
    path.chmod(0o600)

    with pytest.raises(SecretsFileRefused, match=f"is not JSON|{WRONG_FIELDS}"):
        SecretsFile.load(path)
