"""The tree keeps the rules that no linter knows."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("domain", "sync", "node", "site_node", "central_hub", "deploy")
MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
TEXT = {".py", ".md", ".toml", ".lock", ".sh", ".html", ".css", ".txt", ".cfg", ".yml", ".json", ".service", ""}
PURE = {"domain", "lunar_python", "pypinyin", "rapidfuzz", "stdnum"}  # only packages that compute and do nothing else


def modules() -> Iterator[Path]:
    """Every module that ships."""
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


def tracked() -> list[Path]:
    """Every file that is, or is about to be, in the repository; none where there is no git."""
    found = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return [path for name in found.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def documented(module: Path) -> str:
    return ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""


def test_no_module_outgrows_400_lines():
    """A module past the limit hides a second idea."""
    long = {
        str(m.relative_to(ROOT)): n for m in modules() if (n := len(m.read_bytes().splitlines())) > MODULE_LINES_MAX
    }
    assert long == {}


def test_no_function_outgrows_70_lines():
    """A function past the limit does not fit a screen."""
    long = {}
    for module in modules():
        for found in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (found.end_lineno or found.lineno) - found.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    long[f"{module.relative_to(ROOT)}:{found.name}"] = lines
    assert long == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_what_it_never_does(package):
    """Each package's docstring draws its border."""
    assert "never" in documented(ROOT / package / "__init__.py")


def test_every_module_states_its_promise():
    """No module of ours is without a docstring."""
    assert [str(m.relative_to(ROOT)) for m in modules() if not documented(m)] == []


def test_no_module_is_a_drawer():
    """A function without a home names a missing concept."""
    drawers = {"utils.py", "helpers.py", "common.py", "misc.py"}
    assert [str(m.relative_to(ROOT)) for m in modules() if m.name in drawers] == []


@pytest.mark.parametrize("document", ["README.md", "ARCHITECTURE.md"])
def test_documents_name_every_folder(document):
    """A folder that nobody explains is a folder that nobody needs."""
    text = (ROOT / document).read_text(encoding="utf-8")
    assert [name for name in (*PACKAGES, "tests") if f"{name}/" not in text] == []


def test_the_domain_is_pure():
    """The domain imports itself and the standard library, whatever else is installed."""
    foreign = set()
    for module in (ROOT / "domain").rglob("*.py"):
        for found in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            names = [a.name for a in found.names] if isinstance(found, ast.Import) else []
            if isinstance(found, ast.ImportFrom) and not found.level:
                names = [found.module or ""]
            foreign |= {top for name in names if (top := name.split(".")[0]) not in sys.stdlib_module_names | PURE}
    assert foreign == set()


def test_nothing_names_a_place_of_one_machine():
    """No file names an index's host or a folder of the machine it was written on."""
    hosts = "|".join(["py" + "pi.org", "python" + "hosted.org", "registry.npm" + "js", "deb.deb" + "ian.org"])
    folders = "|".join(["/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/[a-z]", "/o" + "pt/", "file:" + "///"])
    forbidden = re.compile(f"{hosts}|(?<![\\w.~}}])(?:{folders})")
    found = {}
    for path in tracked():
        if path.suffix in TEXT and (hit := forbidden.search(path.read_text(encoding="utf-8"))):
            found[str(path.relative_to(ROOT))] = hit.group()
    assert found == {}


LOCKS = {"dev": "requirements.lock", "mutants": "tests/mutants/requirements.lock"}


@pytest.mark.parametrize("lock", LOCKS.values())
def test_a_lock_pins_by_hash(lock):
    """Every requirement of a lock is exact and carries hashes, so that any index may serve it."""
    lock = (ROOT / lock).read_text(encoding="ascii")
    stanzas = [s for s in re.split(r"\n(?=\S)", lock) if s.strip() and not s.startswith("#")]
    assert stanzas
    assert [s.splitlines()[0] for s in stanzas if "==" not in s or "--hash=sha256:" not in s] == []


@pytest.mark.parametrize("extra", LOCKS)
def test_a_lock_covers_what_the_project_asks_for(extra):
    """Every dependency and tool of pyproject.toml is in a lock."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"][extra]]
    lock = (ROOT / LOCKS[extra]).read_text(encoding="ascii")
    names = {re.match(r"[\w-]+", requirement).group() for requirement in asked}
    assert [name for name in sorted(names) if f"\n{name}==" not in lock] == []
