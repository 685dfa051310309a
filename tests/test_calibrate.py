"""The command: what it prints of a run's calibration, and that test applies what val has fitted."""

import json

import pytest

from ferlab import calibrate


def test_the_command_fits_on_val_and_applies_on_test(own_run, typed, capsys):
    words = [f"runs={own_run}", "device=cpu", f"ledger={own_run}/ledger.jsonl"]
    typed(calibrate.main.__wrapped__, *words, config_name="calibrate")
    *_, line, page = capsys.readouterr().out.splitlines()
    kept = json.loads((own_run / "calibration" / "val-none" / "calibration.json").read_text())
    assert line.startswith("small ")
    assert f"calibration error {100 * kept['before']['ece']:.2f} without scaling, " in line
    assert f" with temperature {kept['temperature']:.3f} " in line
    assert "(cross-fitted " in line
    assert page == f"  {own_run}/calibration/val-none/index.html"

    typed(calibrate.main.__wrapped__, *words, "split=test", config_name="calibrate")
    *_, line, page = capsys.readouterr().out.splitlines()
    assert f" with temperature {kept['temperature']:.3f}. " in line
    assert "cross-fitted" not in line
    assert len((own_run / "ledger.jsonl").read_text().splitlines()) == 1


def test_test_without_val_is_one_line(own_run, typed):
    words = [f"runs={own_run}", "device=cpu", "split=test", f"ledger={own_run}/ledger.jsonl"]
    with pytest.raises(SystemExit, match=r"ferlab: .*type python -m ferlab\.calibrate"):
        typed(calibrate.main.__wrapped__, *words, config_name="calibrate")
