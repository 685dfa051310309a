"""The processes of one training: none outlives another, whatever ends it."""

import psutil
import pytest

from benchmarks.failing import failing
from ferlab.errors import FerlabError
from ferlab.runs import checkpoints, directory
from ferlab.training import ranks
from tests.training.test_distributed import TWO, at_start, typed, wait_for  # noqa: F401


def begun(typed, name, env=None):
    """A training by two ranks that has saved something: rank zero's process, and the other's."""
    process = typed("data.n_train=640", "trainer.max_epochs=500", "wandb=off", f"name={name}", *TWO, env=env)
    wait_for(process, typed.folder / "outputs" / name / directory.CHECKPOINTS / checkpoints.LAST)
    [other] = psutil.Process(process.pid).children()
    return process, other


@pytest.mark.slow
def test_the_death_of_a_rank_is_one_line_and_leaves_no_process(typed):
    process, other = begun(typed, "alone")
    other.kill()
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "ferlab: another rank ended with status -9" in out
    assert "Traceback" not in out
    assert directory.load(typed.folder / "outputs" / "alone").info["status"] == "failed"
    assert not other.is_running()


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_an_error_on_one_rank_ends_both(typed, at_start, rank):
    name = f"failing{rank}"
    process, other = begun(typed, name, at_start(failing(rank, "self.trainer.global_step == 30")))
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "KeyError: 'planted'" in out
    assert ("ferlab: another rank ended with status 1" in out) == (rank == 1)
    assert directory.load(typed.folder / "outputs" / name).info["status"] == "failed"
    assert not other.is_running()


@pytest.mark.slow
def test_no_rank_outlives_rank_zero(typed):
    process, other = begun(typed, "orphan")
    process.kill()
    process.communicate(timeout=60)  # until nobody holds its output any more
    assert not other.is_running() or other.status() == psutil.STATUS_ZOMBIE


def test_ranks_cannot_be_started_without_a_command():
    with (
        pytest.raises(FerlabError, match=r"type python -m ferlab\.train trainer\.devices=2"),
        ranks.all_ranks(2),
    ):
        raise AssertionError("nothing would have been started")
