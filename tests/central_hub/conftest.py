"""What the county's tests share."""

import pytest

from sync import epoch


@pytest.fixture(autouse=True)
def small_leaps(monkeypatch):
    """Epochs count 1, 2, 3, so that a test can name them."""
    monkeypatch.setattr(epoch, "LEAP", 1)
