# %% [markdown]
# # From run to phone
#
# A run becomes one ONNX file, which the web app runs on the phone itself. First a run, here a small one:

# %% language="bash"
# python -m ferlab.train data.n_train=700 data.n_val=350 data.n_test=350 batch_size=64 trainer.max_epochs=2 name=first

# %% [markdown]
# `export` writes the net with everything around it: conversion to grey, resizing, normalisation and, with `tta=flip`, the mirror
# image. Half-precision weights halve the file.

# %% language="bash"
# python -m ferlab.export runs=outputs/first precision=[fp16] tta=flip name=first out=exported

# %% [markdown]
# Before the file was written, its answers were compared with the net's on val. `first.json` beside it states what is
# known of it. Now measure the file itself. This fails if its accuracy is not the stated one:

# %% language="bash"
# python -m ferlab.evaluate weights=exported/first.onnx

# %%
import json
from pathlib import Path

stated = json.loads(Path("exported/first.json").read_text())
print(sorted(stated))
print(f"{Path('exported/first.onnx').stat().st_size / 1e6:.1f} MB, val accuracy {stated['val']['accuracy']:.3f}")

# %% [markdown]
# In Python the file answers to crops of faces of any size, and `Predictor` finds the faces first:

# %%
from PIL import Image

from ferlab import Predictor

predictor = Predictor("exported/first.onnx")
print(predictor(Image.new("RGB", (320, 240))))  # nobody is in this picture

# %% [markdown]
# The web app takes the same file. Build and serve it from a checkout:
#
#     make web MODEL=exported/first.onnx
#
# Cameras need https or localhost. So put the folder `web/dist` behind https to open it on a phone: any static host will do, and
# [Web app](../web.md) says what it needs. The page then works without a network, and no picture leaves the phone.
