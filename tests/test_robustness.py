"""The command: what it prints of a run's accuracy on corrupted faces."""

import json

import pytest

from ferlab import robustness


@pytest.mark.parametrize("corruptions", ["[dim_light]", "[]"])
def test_the_command_prints_clean_and_mean_accuracy(own_run, typed, capsys, corruptions):
    words = [f"runs={own_run}", "device=cpu", f"corruptions={corruptions}", "strengths=[1,5]"]
    typed(robustness.main.__wrapped__, *words, config_name="robustness")
    *_, line, page = capsys.readouterr().out.splitlines()
    kept = json.loads((own_run / "robustness" / "val-none" / "robustness.json").read_text())
    assert f": clean {100 * kept['clean']['accuracy']:.1f} (" in line
    assert ("mean of all corruptions" in line) == (corruptions != "[]")
    assert page == f"  {own_run}/robustness/val-none/index.html"


def test_an_unknown_corruption_is_refused_before_a_look_at_test(own_run, typed):
    words = [f"runs={own_run}", "device=cpu", "corruptions=[fog]", "split=test", f"ledger={own_run}/ledger.jsonl"]
    with pytest.raises(SystemExit, match="fog"):
        typed(robustness.main.__wrapped__, *words, config_name="robustness")
    assert not (own_run / "ledger.jsonl").exists()
