# %% [markdown]
# # Your own net
#
# A net is one Python file and one YAML file, in a folder of yours. ferlab need not be changed.
#
# The net takes normalised faces [B,1,48,48] and returns logits [B,7]. Any `torch.nn.Module` does.

# %%
# %%writefile my_nets.py
from torch import nn


class Tiny(nn.Sequential):
    """Three convolutions, each at half the side of the one before, and the mean over what is left."""

    def __init__(self, classes: int, width: int):
        stages = []
        for inputs, outputs in ((1, width), (width, 2 * width), (2 * width, 4 * width)):
            stages += [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
        super().__init__(*stages, nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(36 * width, classes))


# %% [markdown]
# The YAML file names the class and its arguments. `input` says what the net is given: side, channels, and the mean and
# deviation by which pixels in 0..1 are normalised. A file `conf/model/NAME.yaml` is typed as `model=NAME`.

# %% language="bash"
# mkdir -p conf/model
# cat > conf/model/tiny.yaml <<END
# # Three strided convolutions.
# name: tiny
# net: {_target_: my_nets.Tiny, classes: 7, width: 8}
# input: {size: 48, channels: 1, mean: [0.508], std: [0.255]}
# END

# %% [markdown]
# `--config-dir conf` adds your folder to ferlab's own choices. A config may build classes of a few libraries only, so that
# nobody's run executes code of its own ([What is trusted](../trust.md)). `FERLAB_ALLOW` adds your module.

# %% language="bash"
# export FERLAB_ALLOW=my_nets
# python -m ferlab.train --config-dir conf model=tiny model.net.width=16 data.n_train=700 data.n_val=350 data.n_test=350 trainer.max_epochs=2 batch_size=64 name=tiny
# python -m ferlab.evaluate runs=outputs/tiny tta=flip

# %% [markdown]
# Every other command takes the run as any other: `compare`, `ensemble`, `calibrate`, `explain`, `export`. Each needs the module
# and the same `FERLAB_ALLOW`. The exported file needs neither:

# %% language="bash"
# FERLAB_ALLOW=my_nets python -m ferlab.export runs=outputs/tiny precision=[fp32] name=tiny out=.
# python -m ferlab.predict --list

# %%
import numpy as np

from ferlab.inference.onnx_model import OnnxModel

model = OnnxModel.open("tiny.onnx")
crops = np.zeros((2, 64, 64, 4), np.uint8)  # RGBA, of any size
print(dict(zip(model.expressions, model(crops)[0].round(3).tolist(), strict=True)))

# %% [markdown]
# A net of timm needs no file at all. Its name goes behind `model.net.backbone`:

# %% language="bash"
# python -m ferlab.train model=resnet50 model.net.backbone=resnet10t model.name=resnet10t model.input.size=32 'model.net.hidden=[]' data.n_train=140 data.n_val=70 data.n_test=70 trainer.max_epochs=1 batch_size=64 name=resnet10t

# %% [markdown]
# A net that should become part of ferlab goes into `src/ferlab/nets/` and `conf/model/`; the tests of nets and of conf take it by
# themselves ([Add a net, data, a study](../extend.md)).
