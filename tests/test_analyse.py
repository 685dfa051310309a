"""The command: what it prints of where a run's errors come from."""

import json

from ferlab import analyse


def test_the_command_prints_the_accuracy_on_ambiguous_faces(own_run, typed, capsys):
    typed(analyse.main.__wrapped__, f"runs={own_run}", "device=cpu", "shown=2", config_name="analyse")
    *_, line, page = capsys.readouterr().out.splitlines()
    kept = json.loads((own_run / "analysis" / "val-none" / "analysis.json").read_text())
    assert line.startswith("small ")
    assert f" of {kept['ambiguous']['n']}" in line
    assert page == f"  {own_run}/analysis/val-none/index.html"
