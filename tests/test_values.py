"""What is typed by mistake is refused in one line, before anything is made."""

from functools import cache
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from ferlab import values
from ferlab.config import CONF, keys_of, plain
from ferlab.errors import FerlabError
from ferlab.training import fit
from tests.composing import composed
from tests.test_starts import HYDRAS


@pytest.mark.parametrize("command", HYDRAS)
def test_what_conf_says_passes(command):
    values.check(composed(command=command), keys_of(command))


@pytest.mark.parametrize("name", sorted(path.stem for path in Path(CONF, "data").glob("[!_]*.yaml")))
def test_every_data_set_passes(name):
    values.check(composed(f"data={name}"), keys_of("train"))


@pytest.mark.parametrize("name", sorted(path.stem for path in Path(CONF, "experiment").glob("*.yaml")))
def test_every_recipe_passes(name):
    values.check(composed(f"experiment={name}", "teacher=x", "weights=x"), keys_of("train"))


KEYS = [
    ("+lerning_rate=0.1", "nothing reads lerning_rate; did you mean lr?"),
    ("+learning_rate=0.1", "did you mean lr?"),
    ("+batchsize=3", "did you mean batch_size?"),
    ("+epochs=3", "did you mean trainer.max_epochs?"),
    ("+max_epochs=3", "did you mean trainer.max_epochs?"),
    ("+dropout=0.4", "did you mean model.net.dropout?"),
    ("+logger=tensorboard", "did you mean loggers?"),
    ("+quux=1", "nothing reads quux; leave it out, or see --help"),
    ("+model.nett.dropout=1", "nothing reads model.nett; did you mean model.net?"),
    ("+augment.polcy=[]", "nothing reads augment.polcy; did you mean augment.policy?"),
    ("+data.rooot=x", "nothing reads data.rooot; did you mean data.root?"),
    ("+model.net.widht=2", "'widht'; did you mean width?"),
    ("+model.input.sizes=48", "'sizes'; did you mean size?"),
    ("+augment.policy=[{_target_: albumentations.Affine, rotat: 5}]", "'rotat'; did you mean rotate?"),
    ("+trainer.max_epoch=3", "nothing reads trainer.max_epoch; did you mean trainer.max_epochs?"),
    ("+trainer.callbacks=[]", "multiple values for keyword argument 'callbacks'"),
    ("+trainer.logger=true", "multiple values for keyword argument 'logger'"),
]
NUMBERS = [
    ("lr=abc", "lr is 'abc'; expected a number"),
    ("lr=null", "lr is None; expected a number"),
    ("lr=-1", "lr is -1; expected a number of at least 0"),
    ("lr=nan", "lr is nan; expected a number that is finite"),
    ("lr=inf", "lr is inf; expected a number that is finite"),
    ("lr=true", "lr is True; expected a number"),
    ("lr=[0.1]", "lr is [0.1]; expected a number"),
    ("batch_size=2.5", "batch_size is 2.5; expected a whole number"),
    ("batch_size=0", "batch_size is 0; expected a number of at least 1"),
    ("seed=-1", "seed is -1; expected a number of at least 0"),
    ("seed=4294967296", "seed is 4294967296; expected a number below 4294967296"),
    ("seed=null", "seed is None; expected a whole number"),
    ("name=7", "name is 7; use letters"),
    ("name=null", "name is None; use letters"),
    ("name=..", "name is '..'; use letters"),
    ("name=[a]", "name is ['a']; use letters"),
    ("name=../x", "name is '../x'; use letters"),
    ("model.name=a/b", "is 'a/b"),
    ("label_smoothing=1.5", "label_smoothing is 1.5; expected a number of at most 1"),
    ("num_workers=x", "num_workers is 'x'; expected a whole number"),
    ("num_workers=-1", "num_workers is -1; expected a number of at least 0"),
    ("ema_decay=1.5", "ema_decay is 1.5; expected a number below 1"),
    ("ema_decay=1", "ema_decay is 1; expected a number below 1"),
    ("ema_decay=-0.1", "ema_decay is -0.1; expected a number of at least 0"),
    ("mixup=-1", "mixup is -1; expected a number of at least 0"),
    ("cutmix=-0.5", "cutmix is -0.5; expected a number of at least 0"),
    ("momentum=1", "momentum is 1; expected a number below 1"),
    ("weight_decay=-1e-4", "weight_decay is -0.0001; expected a number of at least 0"),
    ("warmup_epochs=-1", "warmup_epochs is -1; expected a number of at least 0"),
    ("plateau_patience=1.5", "plateau_patience is 1.5; expected a whole number"),
    ("sam_rho=-0.05", "sam_rho is -0.05; expected a number of at least 0"),
    ("early_stopping=-1", "early_stopping is -1; expected a number of at least 0"),
    ("save_every=0", "save_every is 0; expected a number of at least 1"),
    ("layer_decay=0", "layer_decay is 0; expected a number above 0"),
    ("unfreeze_every=-1", "unfreeze_every is -1; expected a number of at least 0"),
    ("class_weights_beta=1", "class_weights_beta is 1; expected a number below 1"),
    ("teacher_share=2", "teacher_share is 2; expected a number of at most 1"),
    ("teacher_temperature=0", "teacher_temperature is 0; expected a number above 0"),
    ("train_norms=1", "train_norms is 1; expected true or false"),
    ("compile=yes", "compile is 'yes'; expected 'auto' or true or false"),
    ("outputs=''", "outputs is ''; expected some text"),
    ("data.n_train=-5", "data.n_train is -5; expected a number of at least 1"),
    ("model.input.size=0", "expected a size of 1 or more"),
    ("model.input.std=[0.0]", "std and scale above 0"),
    ("model.input.mean=[inf]", "model.input.mean[] is inf; expected a number that is finite"),
    ("model.net.dropout=1.5", "dropout probability has to be between 0 and 1"),
    ("model.net.dropout=nan", "model.net.dropout is nan; expected a number that is finite"),
    ("model.net.channels=3", "model.net does not take model.input"),
    ("model.net.classes=5", "model.net gives [2, 5] for 2 faces, expected [2,7]: type model.net.classes=7"),
    ("model.net=7", "model.net is 7; expected keys and values"),
    ("augment.policy=7", "augment.policy is 7; expected a list"),
    ("augment.policy=[7]", "augment.policy is [7]; expected keys and values"),
    ("data.sources=[3]", "data.sources is [3]; expected keys and values"),
    ("trainer=7", "trainer is 7; expected keys and values"),
    ("weights=7", "weights is 7; expected a text"),
    ("teacher=[7]", "teacher is [7]; expected a text"),
    ("only=7", "only is 7; expected a text or a list"),
    ("outputs=7", "outputs is 7; expected a text"),
    ("trainer.max_epochs=0", "trainer.max_epochs is 0; expected a number of "),
    ("trainer.max_epochs=1.5", "trainer.max_epochs is 1.5; expected a "),
    ("trainer.limit_train_batches=0", "trainer.limit_train_batches is 0"),
    (
        "trainer.limit_val_batches=1.5",
        "trainer.limit_val_batches is 1.5; expected a whole number or a number of at most 1",
    ),
    ("trainer.check_val_every_n_epoch=0", "trainer.check_val_every_n_epoch is 0; expected a number of at least 1"),
    ("trainer.fast_dev_run=maybe", "trainer.fast_dev_run is 'maybe'; expected true or false"),
    ("trainer.precision=fp8", "trainer.precision is 'fp8'; choose auto"),
    ("trainer.precision=64-true", "trainer.precision is '64-true'; choose auto"),
    ("trainer.accelerator=cpuu", "trainer: "),
    ("trainer.gradient_clip_val=abc", "expected a number"),
]


@cache
def base(command: str) -> DictConfig:
    """conf of a command without overrides; to compose it for each row would take most of the time."""
    return OmegaConf.create(composed(command=command))


def typed_after(command: str, *words: str) -> dict:
    config = base(command).copy()
    for override in OverridesParser.create().parse_overrides(list(words)):
        OmegaConf.update(config, override.key_or_group, override.value(), merge=False, force_add=True)
    return plain(config)


@pytest.mark.parametrize(("word", "message"), [*KEYS, *NUMBERS])
def test_train_refuses_it_before_anything_is_made(word, message, faces, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fit, "open_config", lambda *a, **k: faces)
    with pytest.raises(FerlabError) as caught:
        fit.train(typed_after("train", "trainer.accelerator=cpu", "wandb=off", word))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


OTHERS = [
    ("train", "+lerning_rate=0.1", "nothing reads lerning_rate; did you mean lr?"),
    ("train", "lr=-1", "lr is -1; expected a number of at least 0"),
    ("evaluate", "batch_size=0", "batch_size is 0; expected a number of at least 1"),
    ("evaluate", "+tta_spce=logit", "nothing reads tta_spce; did you mean tta_space?"),
    ("evaluate", "each=1", "each is 1; expected true or false"),
    ("evaluate", "name=..", "name is '..'; use letters"),
    ("evaluate", "runs=7", "runs is 7; expected a text or a list"),
    ("evaluate", "runs=[a,2]", "runs is ['a', 2]; expected a text"),
    ("evaluate", "weights=[a]", "weights is ['a']; expected a text"),
    ("evaluate", "tta=[]", "tta is []; expected a text or a list of at least 1"),
    ("summarise", "out=7", "out is 7; expected a text"),
    ("explain", "methods=7", "methods is 7; expected a text or a list"),
    ("robustness", "corruptions=7", "corruptions is 7; expected a text or a list"),
    ("export", "precision=3", "precision is 3; expected a text or a list"),
    ("export", "opset=abc", "opset is 'abc'; expected a whole number"),
    ("export", "margin.side_ratio=nan", "margin.side_ratio is nan; expected a number that is finite"),
    ("export", "+margin.side_ration=1", "nothing reads margin.side_ration; did you mean margin.side_ratio?"),
    ("export", "wanted_accuracy=2", "wanted_accuracy is 2; expected a number of at most 1"),
    ("calibrate", "coverages=[0]", "coverages is [0]; expected a number above 0"),
    ("calibrate", "coverages=[]", "coverages is []; expected"),
    ("ensemble", "folds=-1", "folds is -1; expected a number of at least 1"),
    ("ensemble", "+greedy.sise=1", "nothing reads greedy.sise; did you mean greedy.size?"),
    ("robustness", "strengths=[9]", "strengths is [9]; expected a number of at most 5"),
    ("explain", "faces=0", "faces is 0; expected a number of at least 1"),
    ("analyse", "ambiguous_gap=-1", "ambiguous_gap is -1; expected a number of at least 0"),
    ("analyse", "+data.name=../x", "data.name is '../x'; use letters"),
    ("prepare", "near=maybe", "near is 'maybe'; expected true or false"),
    ("prepare", "data.n_val=0.5", "data.n_val is 0.5; expected a whole number"),
    ("compare", "+run=x", "nothing reads run; did you mean runs?"),
    ("reproduce", "jobs=0", "jobs is 0; expected a number of at least 1"),
    ("reproduce", "devices=none", "devices is 'none'; expected 'auto' or a whole number"),
    ("publish", "dirty=0", "dirty is 0; expected true or false"),
]


TYPED = ("+lerning_rate=0.1", "lr=-1", "+tta_spce=logit", "opset=abc", "jobs=0")


@pytest.mark.parametrize(("command", "words", "message"), OTHERS)
def test_each_command_refuses_it(command, words, message):
    with pytest.raises(FerlabError) as caught:
        values.check(typed_after(command, *words.split()), keys_of(command))
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("command", "words", "message"), [one for one in OTHERS if one[1] in TYPED])
def test_as_typed_it_is_one_line_and_nothing_is_made(command, words, message, typed, tmp_path):
    with pytest.raises(SystemExit) as stopped:
        typed(lambda config: pytest.fail("the task ran"), words, config_name=command)
    assert str(stopped.value.code).startswith(f"ferlab: {message}")
    assert "\n" not in str(stopped.value.code)
    assert list(tmp_path.iterdir()) == []


def test_free_parts_and_data_with_keys_of_their_own_pass():
    free = ["+training.trainer.max_epochs=1", "+evaluation.device=cpu"]
    values.check(composed(*free, command="reproduce"), keys_of("reproduce"))
    for word in ("+data.images=3", "+model.net.width=0.5", "+model.input.scale=255.0", "+trainer.profiler=simple"):
        values.check(composed(word), keys_of("train"))
