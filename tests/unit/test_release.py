"""What a release says of itself is in step, and names no package registry."""

from __future__ import annotations

import re
from pathlib import Path

from scriptgen.version import service_version

ROOT = Path(__file__).resolve().parents[2]


def test_version_changelog_and_package_are_in_step() -> None:
    version = (ROOT / "VERSION").read_text().strip()
    top = re.search(
        r"^## \[([^\]]+)\] - \d{4}-\d{2}-\d{2}$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    assert top is not None
    assert top.group(1) == version == service_version()


def test_lock_files_pin_every_package_with_hashes_and_name_no_host() -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        text = (ROOT / name).read_text()
        assert "://" not in text
        assert "--index-url" not in text
        packages = re.findall(r"^[a-z0-9][^=\s]*==", text, re.MULTILINE)
        blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
        assert packages
        assert all("--hash=sha256:" in block for block in blocks)


def test_generated_code_and_protos_import_nothing_from_a_remote_registry() -> None:
    for proto in (ROOT / "protos").rglob("*.proto"):
        for line in re.findall(r'^import "([^"]+)"', proto.read_text(), re.MULTILINE):
            assert line.startswith(("google/protobuf/", "scriptgen/v1/")), line
