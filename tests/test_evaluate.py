"""`python -m ferlab.evaluate`: what it prints."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from ferlab import config, evaluate
from ferlab.errors import FerlabError
from tests.evaluation.fake_runs import made  # noqa: F401


def _main(*typed):
    """The command's task on conf/evaluate.yaml with `typed` over it, without Hydra's own argument parsing."""
    conf = OmegaConf.load(Path(config.CONF) / "evaluate.yaml")
    conf.pop("defaults")
    evaluate.main.__wrapped__(config.plain(OmegaConf.merge(conf, OmegaConf.from_dotlist(list(typed)))))


def test_the_command_prints_the_headline_and_where_the_page_is(made, capsys, caplog):
    caplog.set_level("INFO")
    _main("runs=outputs/a-s0", "tta=[none,flip]", "split=test")
    said = capsys.readouterr().out
    assert "a-s0 PrivateTest, none:" in said
    assert "95 % interval" in said
    assert "0 by these weights, 0 by anything" in said
    assert "outputs/a-s0/reports/test-flip/index.html" in said
    assert Path("outputs/ledger.jsonl").is_file()
    _main("runs=outputs/other")
    assert "other validation, none:" in capsys.readouterr().out
    _main("runs=outputs/a-*", "each=true", "split=test", "skip_measured=true")
    assert "a-s0, test: measured already: none" in caplog.text
    assert "a-s1 PrivateTest, none:" in capsys.readouterr().out
    _main("runs=outputs/a-*", "name=both")
    assert "both PublicTest, none:" in capsys.readouterr().out
    with pytest.raises(FerlabError, match="name=both is for an ensemble, and each=true makes none"):
        _main("runs=outputs/a-*", "name=both", "each=true")
