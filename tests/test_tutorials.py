"""Each tutorial of docs/tutorials runs from its first to its last cell, as in a notebook."""

import importlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import jupytext
import pytest

ROOT = Path(__file__).resolve().parents[1]
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.py"))
# Words that make a training a matter of seconds.
SMALL = ["data.n_train=70", "data.n_val=28", "data.n_test=28", "trainer.max_epochs=1", "wandb=off"]
DEMO = "data.n_train=700 data.n_val=350 data.n_test=350 trainer.max_epochs=2"


def cells(script: Path) -> list[str]:
    return [cell.source for cell in jupytext.read(script).cells if cell.cell_type == "code"]


def run(source: str, namespace: dict) -> None:
    """A cell: bash, a file to write, or Python."""
    if source.startswith("%%bash\n"):
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = os.environ | {"PATH": path, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "OMP_NUM_THREADS": "1"}
        subprocess.run(["bash", "-euo", "pipefail", "-c", source.partition("\n")[2]], env=environment, check=True)
    elif file := re.match(r"%%writefile (\S+)\n", source):
        Path(file[1]).write_text(source[file.end() :])
    else:
        exec(compile(source, "cell", "exec"), namespace)


@pytest.mark.slow
@pytest.mark.parametrize("script", TUTORIALS, ids=[script.stem for script in TUTORIALS])
def test_a_tutorial_runs(script, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace: dict = {"__name__": "__main__"}
    for source in cells(script):
        run(source.replace("experiment=demo", f"experiment=demo {DEMO}"), namespace)


def test_a_net_of_ones_own_is_trained_and_measured_in_one_process(typed, tmp_path, monkeypatch):
    """The beginning of a tutorial without the seconds in which each command imports torch."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_nets", raising=False)  # README's, of another test
    (script,) = (script for script in TUTORIALS if script.stem == "own_net")
    net, choice, commands, *_ = cells(script)
    run(net, {})
    run(choice, {})
    for line in commands.splitlines()[1:]:
        words = shlex.split(line)
        if words[0] == "export":
            monkeypatch.setenv(*words[1].split("="))
            continue
        assert words[:2] == ["python", "-m"]
        name = words[2].removeprefix("ferlab.")
        task = importlib.import_module(words[2]).main.__wrapped__
        typed(task, *words[3:], *(SMALL if name == "train" else []), config_name=name)
    assert Path("outputs/tiny/reports/val-flip/report.json").is_file()
    assert "my_nets.Tiny" in Path("outputs/tiny/config.yaml").read_text()
