"""`python -m ferlab.describe` as it is typed."""

import subprocess
import sys

from tests.unpacked import RESULTS


def test_the_command_writes_a_card_and_names_it(tmp_path):
    words = [f"runs={RESULTS}/resnet18-fer2013-none-s0", f"ledger={RESULTS}/ledger.jsonl", "out=cards"]
    line = [sys.executable, "-m", "ferlab.describe", *words]
    done = subprocess.run(line, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (card,) = (tmp_path / "cards").iterdir()
    assert card.name == "resnet18-fer2013-none-s0.md"
    assert card.read_text(encoding="utf-8").startswith("# ")
    assert "resnet18-fer2013-none-s0.md" in done.stdout + done.stderr
