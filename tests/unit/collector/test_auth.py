import hmac
from pathlib import Path
from unittest.mock import patch

import pytest

from holded_collector.auth import digest, find_source, presented_key
from holded_collector.io.api_keys import CHECK_SECONDS, KeyFolder
from tests.support.mounted_secret import mount

KEYS = {"erp": digest(b"key-one"), "shop": digest(b"key-two")}


@pytest.mark.parametrize(
    ("presented", "source"),
    [
        ("key-one", "erp"),
        ("key-two", "shop"),
        ("key-three", None),
        ("key-on", None),
        ("", None),
        (None, None),
        ("é", None),
    ],
)
def test_a_key_is_known_by_its_source(presented: str | None, source: str | None) -> None:
    assert find_source(presented, KEYS) == source


def test_every_key_is_compared_even_after_a_match() -> None:
    with patch("holded_collector.auth.hmac.compare_digest", wraps=hmac.compare_digest) as compare:
        find_source("key-one", KEYS)
    assert compare.call_count == len(KEYS)


@pytest.mark.parametrize(
    ("authorization", "api_key", "key"),
    [
        ("Bearer abc", None, "abc"),
        ("bearer  abc ", "other", "abc"),
        ("Basic abc", "other", "other"),
        ("Bearer", None, None),
        ("Bearer ", "x", "x"),
        (None, " x ", "x"),
        (None, None, None),
    ],
)
def test_a_key_comes_as_bearer_or_in_its_own_header(
    authorization: str | None, api_key: str | None, key: str | None
) -> None:
    assert presented_key(authorization, api_key) == key


def test_keys_rotate_without_a_restart(tmp_path: Path) -> None:
    now = 0.0
    mount(tmp_path, "2025_1", erp="old\n", shop="same")
    keys = KeyFolder(tmp_path, clock=lambda: now)
    assert keys.digests() == {"erp": digest(b"old"), "shop": digest(b"same")}
    mount(tmp_path, "2025_2", erp="new", shop="same")
    now += CHECK_SECONDS
    assert keys.digests() == {"erp": digest(b"new"), "shop": digest(b"same")}
    mount(tmp_path, "2025_3", erp="new")
    now += CHECK_SECONDS
    assert keys.digests() == {"erp": digest(b"new")}


def test_an_unchanged_folder_is_not_read_again(tmp_path: Path) -> None:
    mount(tmp_path, "2025_1", erp="key")
    keys = KeyFolder(tmp_path)
    keys.digests()
    with patch.object(Path, "read_bytes", side_effect=AssertionError("read again")):
        assert keys.digests() == {"erp": digest(b"key")}


def test_an_empty_file_is_no_key(tmp_path: Path) -> None:
    (tmp_path / "erp").write_text(" \n")
    keys = KeyFolder(tmp_path)
    assert keys.digests() == {}
    assert keys.unavailable() == f"there is no API key in {tmp_path}"


def test_a_folder_that_comes_late_is_found_and_one_that_vanishes_keeps_its_keys(tmp_path: Path) -> None:
    folder = tmp_path / "api-keys"
    keys = KeyFolder(folder)
    assert keys.digests() == {}
    folder.mkdir()
    (folder / "erp").write_text("key")
    assert keys.digests() == {"erp": digest(b"key")}
    folder.rename(tmp_path / "gone")
    assert keys.digests() == {"erp": digest(b"key")}
    assert keys.unavailable() is None
