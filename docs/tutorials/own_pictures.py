# %% [markdown]
# # Your own pictures
#
# Put pictures into a folder for each expression: `faces/happy/1.png`, `faces/sad/2.jpg`. Any size, kind and colour will
# do. ferlab turns them grey and shrinks them to 48x48. With pictures of your own, skip the next cell, which draws some.

# %%
from pathlib import Path

from PIL import Image

from ferlab.data.drawn import draw
from ferlab.expressions import EXPRESSIONS

drawn = draw(n_train=420, n_val=7, n_test=7, seed=1)
for number, (pixels, label) in enumerate(zip(drawn.pixels, drawn.labels, strict=True)):
    folder = Path("data/faces") / EXPRESSIONS[label]
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).resize((96, 96)).save(folder / f"{number}.png")

# %% [markdown]
# `data=class_folders` reads such folders from `data/faces`. `prepare` reports what it found, and which pictures stand in two
# folders.

# %% language="bash"
# python -m ferlab.prepare data=class_folders

# %% [markdown]
# A tenth of the pictures becomes `val` and a tenth `test`. Identical pictures stay together. If several pictures show one
# person, say so: a net that has seen a person in training knows more than it should. `data=image_folders` takes a split
# of yours, `data=table` a csv with a column of persons ([Data](../data.md)).

# %% language="bash"
# python -m ferlab.train data=class_folders batch_size=64 trainer.max_epochs=2 name=mine
# python -m ferlab.evaluate runs=outputs/mine

# %% [markdown]
# A few hundred pictures are few. A net that has learned another data set is a better start than random weights.
# `weights=five_layer` starts from the package's model:

# %% language="bash"
# python -m ferlab.train data=class_folders weights=five_layer lr=0.01 batch_size=64 trainer.max_epochs=2 name=mine_tuned
# python -m ferlab.evaluate runs=outputs/mine_tuned
# python -m ferlab.compare 'runs=[outputs/mine,outputs/mine_tuned]'

# %% [markdown]
# A file of your own gives the data a name, as `conf/data/clinic.yaml` in a folder that `--config-dir` names:

# %% language="bash"
# mkdir -p my_conf/data
# cat > my_conf/data/clinic.yaml <<END
# # Pictures by expression.
# name: clinic
# root: data
# sources:
#   - {name: clinic, layout: class_folders, path: faces}
# auxiliary: []
# END
# python -m ferlab.prepare --config-dir my_conf data=clinic

# %% [markdown]
# To see what a model says of pictures, without training, use `predict`. Here each picture is a face already cut out, so the
# detector is off:

# %% language="bash"
# python -m ferlab.predict data/faces/happy --no-detect --out faces.csv
# head -3 faces.csv
