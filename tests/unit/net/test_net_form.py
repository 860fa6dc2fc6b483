"""The form in which these tests run the relay is the one that was asked for: tests/unit/test_compiled.py asks for the other."""

from __future__ import annotations

import os

from proxy.net.form import PYTHON, form


def test_the_form_is_the_one_that_was_asked_for():
    """By default the sources: no machine code lies beside them, where an edit would be without effect."""
    assert form() == os.environ.get("VECFERRY_FORM", PYTHON)
