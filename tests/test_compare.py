"""`python -m ferlab.compare` as it is typed."""

import subprocess
import sys
from pathlib import Path

from ferlab import compare
from tests.reporting.written import (
    made,  # noqa: F401
    write,
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


def test_reports_on_another_data_set_are_named_by_its_choice(typed, tmp_path, capsys):
    write(tmp_path / "outputs/small/elsewhere/wild-val-none", "small", data="wild", right=0.4)
    write(tmp_path / "outputs/small/reports/val-none", "small", right=0.9)
    typed(compare.main.__wrapped__, "runs=outputs/*", "data=wild", config_name="compare")
    (row,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("| small"))
    assert 35 < float(row.split("|")[2].split("(")[0]) < 45
