"""What may become of folders: copied while the power is off, put back later, in whole or in part, run twice."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.simulation.nodes import Computer, Hub

if TYPE_CHECKING:
    from tests.simulation.world import World

COMPUTERS_MAX: Final = 5


class Folders:
    """The copies of a world's folders."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._backups: list[tuple[str, Path]] = []
        self._hub_backups: list[Path] = []

    def acts(self, computer: Computer) -> list[Callable[[], None]]:
        """What may happen to a home's folders; what is oftener there is likelier."""
        return [
            lambda: self.save(computer), lambda: self.save(computer), self.put_back,
            lambda: self.put_databases_back(computer), lambda: self.clone(computer),
            lambda: self._world.new_pc(computer.code),
        ]  # fmt: skip

    def acts_at_the_hub(self) -> list[Callable[[], None]]:
        """What may happen to the hub's."""
        return [self.save_hub, self.save_hub, self.put_hub_back, self.put_hub_back]

    def _stopped(self, node: Hub | Computer) -> Path:
        """A copy of a folder, taken while its power is off."""
        node.stop()
        copy = Path(shutil.copytree(node.path, self._world.name(node.path.name.partition(".")[0])))
        node.start()
        return copy

    def save(self, computer: Computer) -> None:
        self._world.copied |= {branch.log for branch in computer.store.branches()}
        self._backups.append((computer.code, self._stopped(computer)))

    def put_back(self) -> None:
        """A computer fails; an older copy of some computer takes its place."""
        if self._backups:
            code, path = self._world.dice.choice(self._backups)
            lost = self._world.dice.choice([one for one in self._world.computers if one.code == code])
            self._world.fired["old copy put back"] += 1
            self._world.lose(lost)
            self._world.add(code, Path(shutil.copytree(path, self._world.name("pc"))))

    def put_databases_back(self, computer: Computer) -> None:
        """The same, but checkpoint.txt survives."""
        key = (computer.path / "node.key").read_bytes()
        own = [path for _, path in self._backups if (path / "node.key").read_bytes() == key]
        if own:
            backup = self._world.dice.choice(own)
            self._world.fired["old databases put back beside a newer checkpoint.txt"] += 1
            computer.stop()
            for name in ("log.db", "keys.db", "files.db"):
                for suffix in ("", "-wal", "-shm"):
                    (computer.path / (name + suffix)).unlink(missing_ok=True)
                    if (backup / (name + suffix)).exists():
                        shutil.copy(backup / (name + suffix), computer.path)
            computer.start()

    def clone(self, computer: Computer) -> None:
        if len(self._world.computers) < COMPUTERS_MAX:
            self._world.fired["clone"] += 1
            self._world.copied |= {branch.log for branch in computer.store.branches()}
            self._world.add(computer.code, self._stopped(computer))

    def save_hub(self) -> None:
        self._hub_backups.append(self._stopped(self._world.hub))

    def put_hub_back(self) -> None:
        if self._hub_backups:
            backup = self._world.dice.choice(self._hub_backups)
            self._world.fired["hub put back"] += 1
            self._world.hub_was_put_back = True
            self._world.spoke_to_both |= {one for one in self._world.computers if one.task is not None}
            self._world.hub.stop()
            self._world.hub.path = Path(shutil.copytree(backup, self._world.name("hub")))
            self._world.hub.start()
