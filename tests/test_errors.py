"""A message for the user is one line at a command, without a traceback."""

import subprocess
import sys

from ferlab.errors import FerlabError, nearest


def test_an_error_keeps_its_words():
    assert str(FerlabError("expected A, found B; type C")) == "expected A, found B; type C"
    assert not isinstance(FerlabError(""), ValueError | OSError)  # nobody who catches those takes it for one


def test_a_command_prints_it_as_one_line():
    done = subprocess.run([sys.executable, "-m", "ferlab.compare"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("ferlab: ")
    assert len(done.stderr.splitlines()) == 1


def test_the_nearest_known_word_is_offered():
    assert nearest("lerning_rate", ["lr", "learning_rate"]) == "learning_rate"
    assert nearest("zzz", ["lr", "learning_rate"]) == ""
