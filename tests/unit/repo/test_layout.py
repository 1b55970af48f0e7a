"""Rules of the layout that no linter knows."""

import operator
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_operator_folder_never_shadows_the_standard_library() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists()
    assert Path(operator.__file__).is_relative_to(sysconfig.get_path("stdlib"))


def test_no_package_marker_under_tests() -> None:
    assert not list((ROOT / "tests").rglob("__init__.py"))


def test_no_module_grows_past_400_lines() -> None:
    sources = [path for folder in ("schemas", "operator", "services", "cli") for path in (ROOT / folder).rglob("*.py")]
    assert sources
    assert not [str(path) for path in sources if len(path.read_text().splitlines()) > 400]
