"""The shape of the repository: what stands at the top, and what its locked dependencies may say."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PACKAGES = {"schemas", "stream", "agents", "deploy", "tests"}
FILES = {
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "constraints-dev.txt",
    "constraints.txt",
    "docker-compose.yml",
    "pyproject.toml",
}

CONSTRAINTS = ["constraints.txt", "constraints-dev.txt"]


def committed() -> list[str]:
    """Paths of all files that git knows, relative to the top."""
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return listing.stdout.rstrip("\0").split("\0")


def test_top_level_holds_only_what_it_should() -> None:
    """A newcomer finds five folders and a handful of files; settings of tools are hidden ones."""
    top = {path.split("/")[0] for path in committed()}

    assert {name for name in top if not name.startswith(".")} - PACKAGES - FILES == set()


def test_every_folder_of_code_is_a_package() -> None:
    """Each folder with modules has an __init__.py that says what it is for; tests are no package."""
    modules = [Path(path) for path in committed() if path.endswith(".py")]
    code = {path.parent for path in modules if path.parts[0] != "tests"}
    packages = {path.parent for path in modules if path.name == "__init__.py"}

    assert packages == code


UNSAFE_MODULES = {"cloudpickle", "copyreg", "dill", "joblib", "marshal", "pickle", "shelve"}
"""What they read can run code."""

UNSAFE_CALLS = {"eval", "exec", "compile"}
UNSAFE_YAML = {"load_all", "unsafe_load", "full_load", "Loader", "UnsafeLoader", "FullLoader"}


def code() -> list[str]:
    """Paths of the modules that are shipped."""
    return [
        path for path in committed() if path.endswith(".py") and path.split("/")[0] in PACKAGES - {"tests"}
    ]


@pytest.mark.parametrize("path", code())
def test_nothing_that_is_read_can_run(path: str) -> None:
    """Neither bytes off the wire nor files become code: no pickle, no eval, YAML by the safe loader alone."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names} & UNSAFE_MODULES
        elif isinstance(node, ast.ImportFrom):
            found |= {(node.module or "").split(".")[0]} & UNSAFE_MODULES
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            found |= {node.func.id} & UNSAFE_CALLS
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "yaml":
            found |= {node.attr} & UNSAFE_YAML

    assert found == set()


def requirements(name: str) -> list[str]:
    """The requirements of a constraints file, each with its hashes, as one string."""
    return (ROOT / name).read_text().replace("\\\n", "").splitlines()


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_every_requirement_is_exact_and_hashed(name: str) -> None:
    """What is installed is what was tested: one version each, and only files whose hash is known."""
    exact = re.compile(r"[a-z0-9-]+==\S+( ; .+?)?\s+(--hash=sha256:[0-9a-f]{64}\s*)+")

    assert [line for line in requirements(name) if not exact.fullmatch(line)] == []


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_constraints_name_no_registry(name: str) -> None:
    """Where packages come from is the user's choice: a mirror works as well as any."""
    assert re.findall(r"\w+://\S+|--\w*index\S*|--find-links", (ROOT / name).read_text()) == []


def test_both_constraints_agree() -> None:
    """A test environment runs the very versions that a deployment runs."""
    core, everything = (
        {line.split(" --hash")[0].strip() for line in requirements(name)} for name in CONSTRAINTS
    )

    assert core - everything == set()
