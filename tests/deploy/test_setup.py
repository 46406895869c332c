"""`make setup` says in one sentence what is missing, before it touches anything."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path):
    """What set-up reads, and nothing else."""
    (tmp_path / "deploy").mkdir()
    shutil.copy(ROOT / "deploy" / "setup.sh", tmp_path / "deploy")
    for name in ("pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def fake_python(folder: Path, version: str, *, old: bool) -> str:
    """A Python that knows its version and nothing else."""
    path = folder / "python"
    answer = 1 if old else 0
    path.write_text(
        f'#!/bin/sh\ncase "$2" in *print*) echo {version};; *ensurepip*) exit 1;; *) exit {answer};; esac\n'
    )
    path.chmod(0o755)
    return str(path)


def set_up(checkout: Path, python: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "deploy/setup.sh"],
        cwd=checkout,
        env={**os.environ, "PYTHON": python, "PATH": f"{checkout}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_missing_python_is_named(checkout):
    """The sentence says what was looked for."""
    done = set_up(checkout, "python-that-is-not-there")
    assert done.returncode == 1
    assert "no 'python-that-is-not-there' found: install Python 3.11" in done.stderr


def test_an_old_python_is_refused(checkout):
    """The sentence says what was found and what is needed; no .venv appears."""
    done = set_up(checkout, fake_python(checkout, "3.9.2", old=True))
    assert done.returncode == 1
    assert "is Python 3.9.2, and 3.11 or newer is needed" in done.stderr
    assert not (checkout / ".venv").exists()


def test_a_python_without_venv_is_explained(checkout):
    """Debian ships venv apart; the sentence says what to install."""
    nobody = checkout / "id"
    nobody.write_text("#!/bin/sh\necho 1000\n")
    nobody.chmod(0o755)
    done = set_up(checkout, fake_python(checkout, "3.11.2", old=False))
    assert done.returncode == 1
    assert "sudo apt-get install python3.11-venv" in done.stderr


def test_a_finished_set_up_is_left_alone(checkout):
    """With the stamp of exactly this lock, project and Python, nothing is installed again."""
    python = fake_python(checkout, "3.11.2", old=False)
    (checkout / ".venv").mkdir()
    files = b"".join(
        (checkout / name).read_bytes() for name in ("pyproject.toml", "requirements.lock", "deploy/setup.sh")
    )
    summed = subprocess.run(
        ["sha256sum"], input=files + f"{checkout}\n3.11.2\n".encode(), capture_output=True, check=True
    )
    (checkout / ".venv" / ".installed").write_bytes(summed.stdout)
    done = set_up(checkout, python)
    assert (done.returncode, done.stdout) == (0, "")
