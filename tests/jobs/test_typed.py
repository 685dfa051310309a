"""What was typed, found out again from Hydra."""

from hydra.core.hydra_config import HydraConfig

from ferlab.jobs.typed import Typed, job


def test_what_was_typed_can_be_typed_again(typed, tmp_path):
    found = []
    (tmp_path / "own" / "experiment").mkdir(parents=True)
    (tmp_path / "own" / "experiment" / "mine.yaml").write_text("# @package _global_\nlr: 0.5\n")
    words = ["--config-dir", str(tmp_path / "own"), "experiment=mine", "+model.net.width=0.25"]
    typed(lambda config: found.append(job()), *words)
    [first] = found
    assert first == Typed(tuple(words), "mine")
    found.clear()
    typed(lambda config: found.append((config["lr"], config["model"]["net"]["width"])), *first.words)
    assert found == [(0.5, 0.25)]


def test_a_job_is_called_after_its_command(typed):
    """Slurm shows this name."""
    found = []
    typed(lambda config: found.append(HydraConfig.get().job.name), config_name="evaluate")
    assert found == ["evaluate"]


def test_a_job_knows_its_sweep_and_its_words_are_its_own(typed):
    found = []
    typed(lambda config: found.append(job()), "-m", "seed=1,2", "lr=0.1", "hydra.sweep.dir=out/night")
    assert [one.words for one in found] == [("seed=1", "lr=0.1"), ("seed=2", "lr=0.1")]
    assert {(one.sweep, one.launcher, one.experiment) for one in found} == {("night", "basic", None)}


def test_without_a_command_there_is_no_job():
    assert job() == Typed()
