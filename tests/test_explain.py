"""The command: what it prints of the maps that explain a run, and what they say of the claims."""

import pytest

from ferlab import explain

pytest.importorskip("captum")


def test_the_command_prints_what_was_explained_and_its_claims(own_run, typed, capsys):
    words = [
        "device=cpu",
        "methods=[gradients,occlusion]",
        "faces=7",
        "sanity_faces=2",
        "sanity_stages=2",
        "curve_steps=3",
    ]
    typed(explain.main.__wrapped__, f"runs={own_run}", *words, config_name="explain")
    lines = capsys.readouterr().out.splitlines()
    first = next(line for line in lines if line.startswith("small "))
    assert ": 7 faces, methods that pass both checks: " in first
    assert first.endswith(" of 2.")
    assert sum(line.startswith("  The poster's claim of ") for line in lines) == 4
    assert lines[-1] == f"  {own_run}/explain/val/index.html"


def test_an_unknown_method_is_refused_before_a_look_at_test(own_run, typed):
    words = [f"runs={own_run}", "device=cpu", "methods=[guess]", "split=test", f"ledger={own_run}/ledger.jsonl"]
    with pytest.raises(SystemExit, match="guess"):
        typed(explain.main.__wrapped__, *words, config_name="explain")
    assert not (own_run / "ledger.jsonl").exists()
