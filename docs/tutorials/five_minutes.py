# %% [markdown]
# # Five minutes on drawn faces
#
# ferlab draws faces from a seed, so that everything can be tried without a download. This tutorial trains the poster's
# five-layer net on them, evaluates it and opens the report. On two idle cores it takes about two minutes.

# %% language="bash"
# python -m ferlab.prepare

# %% [markdown]
# `prepare` reads the data once and reports what they hold: faces for each expression and split, duplicates and
# contradictions. Training does the same by itself if nobody has.

# %% language="bash"
# python -m ferlab.train experiment=demo name=first

# %% [markdown]
# The directory `outputs/first` now holds the whole run: config, weights, curves and versions. Each epoch was validated on
# the split `val`. Evaluate the best epoch in a single view, and as the mean over a face and its mirror image:

# %% language="bash"
# python -m ferlab.evaluate runs=outputs/first 'tta=[none,flip]'

# %% [markdown]
# Open `outputs/first/reports/val-flip/index.html` in a browser. The page needs no network. The same numbers stand beside
# it as JSON:

# %%
import json
from pathlib import Path

report = json.loads(Path("outputs/first/reports/val-flip/report.json").read_text())
low, high = report["interval95"]
print(f"{100 * report['accuracy']:.1f} % of {report['n']} faces, 95 % interval {100 * low:.1f} to {100 * high:.1f}")

# %% [markdown]
# A second run differs in one word. `compare` then says whether the difference is more than chance: both nets answered to the
# same faces, so McNemar's test counts the faces on which only one of them is right.

# %% language="bash"
# python -m ferlab.train experiment=demo name=second class_weights=balanced
# python -m ferlab.evaluate runs=outputs/second tta=flip
# python -m ferlab.compare 'runs=[outputs/first,outputs/second]' tta=flip

# %% [markdown]
# Nothing so far has opened the test split. When nothing is left to choose, `split=test` opens it, and
# `outputs/ledger.jsonl` keeps a line of it:

# %% language="bash"
# python -m ferlab.evaluate runs=outputs/first tta=flip split=test
# cat outputs/ledger.jsonl

# %% [markdown]
# The same lines with `data=fer2013` work on FER2013 ([Data](../data.md)), with `experiment=five_layer` as the measured recipe
# ([Train](../train.md)).
