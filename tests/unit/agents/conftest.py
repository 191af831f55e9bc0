from __future__ import annotations

import pytest

from scriptgen.compliance.checker import ComplianceChecker
from scriptgen.compliance.lexicon import load_lexicon


@pytest.fixture(scope="session")
def checker() -> ComplianceChecker:
    return ComplianceChecker(load_lexicon())
