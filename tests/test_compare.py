"""`python -m ferlab.compare` as it is typed."""

import subprocess
import sys
from pathlib import Path

from tests.reporting.written import (
    made,  # noqa: F401
)


def test_the_command_writes_prints_and_splices_without_torch(made, tmp_path):
    Path("README.md").write_text("<!-- table:all -->\n<!-- /table -->\n")
    typed = ["runs=outputs/*", "out=results/table.md", "into=README.md", "name=all"]
    code = (
        f"import sys; sys.argv = ['compare', *{typed}]; from ferlab import compare; compare.main(); "
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    markdown = Path("results/table.md").read_text()
    assert markdown == done.stdout
    assert Path("README.md").read_text() == f"<!-- table:all -->\n{markdown}<!-- /table -->\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["README.md", "outputs", "results"]
