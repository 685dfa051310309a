"""tests/ mirrors src/ferlab: each module has a test file of its own."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "ferlab"


def test_each_module_has_its_test_file():
    modules = sorted(path.relative_to(SOURCE) for path in SOURCE.rglob("*.py") if path.name != "__init__.py")
    lacking = [
        str(module) for module in modules if not (ROOT / "tests" / module.parent / f"test_{module.name}").is_file()
    ]
    assert lacking == []
