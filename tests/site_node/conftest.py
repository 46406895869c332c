"""What several tests of the home share."""

from __future__ import annotations

import pytest

from sync.store import Store
from tests.site_node.homes import Home
from tests.sync.test_exchange import Hub as Server


@pytest.fixture
def hub(tmp_path):
    """A county's hub."""
    (tmp_path / "hub").mkdir()
    Store.create(tmp_path / "hub")
    opened = Server(Store(tmp_path / "hub"))
    yield opened
    opened.store.close()


@pytest.fixture
def homes(tmp_path, hub):
    """Makes homes of the hub's."""
    made: list[Home] = []

    def make() -> Home:
        made.append(Home(tmp_path / f"home-{len(made)}", hub))
        return made[-1]

    yield make
    for home in made:
        home.store.close()


@pytest.fixture
def home(homes):
    """One home."""
    return homes()
