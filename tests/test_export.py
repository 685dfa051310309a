"""The command: which files it names, and that evaluate reads what it names."""

import re

from ferlab import evaluate, export


def test_the_command_names_files_that_evaluate_takes(own_run, typed, capsys):
    words = [f"runs={own_run}", "precision=[fp32]", "parity_faces=16", "calibration.faces=16"]
    typed(export.main.__wrapped__, *words, config_name="export")
    last = capsys.readouterr().out.splitlines()[-1]
    found = re.fullmatch(r"(\S+\.onnx) and (\S+\.json); next: python -m ferlab\.evaluate weights=(\S+)", last)
    path, sidecar, weights = found.groups()
    assert path == weights
    assert (own_run / "export" / sidecar).is_file()
    words = [f"weights={weights}", f"outputs={own_run.parent}"]
    typed(evaluate.main.__wrapped__, *words, config_name="evaluate")
    assert "validation, none: " in capsys.readouterr().out
