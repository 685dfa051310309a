"""Exported models in onnxruntime against the same nets in torch: latency of one face, throughput of many, an
ensemble, and the models at hand.

    python -m benchmarks.inference --run outputs/NAME
    python -m benchmarks.inference --write     # the models at hand alone, into their NAME.measured.json

Without --run a five-layer net with random weights is timed, which costs the same. Each contender takes its turn within
one process, so that the ratios are of the same minutes on the same machine. One thread each, CPU time of a call from
crops uint8 [B,48,48,4] to probabilities [B,7]. The first contender is torch in eager mode with the module that
was exported.
"""

import argparse
import statistics
from collections.abc import Callable

import numpy as np
import onnxruntime
import torch
from hydra import compose, initialize_config_dir
from onnx import ModelProto

from benchmarks import timing
from ferlab.config import CONF, plain
from ferlab.data import sources
from ferlab.deploy import graph
from ferlab.deploy.graph import quantise, store_as_fp16, trace
from ferlab.inference import models
from ferlab.inference.catalogue import REFERENCE
from ferlab.inference.onnx_model import INPUT, OUTPUT, OnnxModel, rgba_of, session_of
from ferlab.predictors import of_run
from ferlab.predictors.of_run import predictor_of
from ferlab.predictors.predictor import Ensemble, Model
from ferlab.runs import directory

OPSET = 20
TARGET = 1.1  # times a bare run of onnxruntime


def model_of(seed: int) -> Model:
    """The five-layer net of conf with random weights and norms that have seen some faces."""
    with initialize_config_dir(CONF, version_base="1.3"):
        net, preprocess = of_run.nets_of(plain(compose("train", overrides=["model=five_layer"])))
    torch.manual_seed(seed)
    for module in net.modules():
        if hasattr(module, "running_mean") and module.running_mean is not None:
            module.running_var.uniform_(0.5, 2.0)
    return Model(preprocess, net).eval()


def session(graph: ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])


def caller(graph: ModelProto, crops: np.ndarray, calls: int) -> Callable[[], None]:
    opened = session(graph)

    def call() -> None:
        for _ in range(calls):
            opened.run([OUTPUT], {INPUT: crops})

    return call


def torch_caller(model: torch.nn.Module, crops: np.ndarray, calls: int) -> Callable[[], None]:
    module, given = graph.Crops(model).eval(), torch.from_numpy(crops)

    @torch.inference_mode()
    def call() -> None:
        for _ in range(calls):
            module(given)

    return call


def one_model(model: torch.nn.Module, faces: np.ndarray, repeats: int) -> None:
    fp32 = trace(model, OPSET)
    batches = [rgba_of(faces[i : i + 64]) for i in range(0, 512, 64)]
    int8 = quantise(fp32, batches, reduce_range=True)
    graphs = {"fp32": fp32, "fp16 weights": store_as_fp16(fp32), "int8": int8}
    for name, model_proto in graphs.items():
        print(f"  {name}: {model_proto.ByteSize() / 1e6:.2f} MB")
    for batch, calls in ((1, 100), (256, 1)):
        crops = rgba_of(faces[:batch])
        contenders = {"torch eager": torch_caller(model, crops, calls)}
        contenders |= {f"onnxruntime {name}": caller(graph, crops, calls) for name, graph in graphs.items()}
        print(f"batch {batch}, a face:")
        times = timing.in_turn(contenders, repeats)
        for name in graphs:
            shown = {key: times[key] for key in ("torch eager", f"onnxruntime {name}")}
            timing.show(shown, f"onnxruntime {name}", per=batch * calls, unit="us")


def seven(faces: np.ndarray, repeats: int) -> None:
    members = [model_of(seed) for seed in range(7)]
    ensemble = graph.trace(Ensemble(members).eval(), OPSET)
    apart = [session(graph.trace(member, OPSET)) for member in members]
    for batch, calls in ((1, 20), (64, 1)):
        crops = rgba_of(faces[:batch])

        def each(crops: np.ndarray = crops) -> np.ndarray:
            return np.mean([opened.run([OUTPUT], {INPUT: crops})[0] for opened in apart], axis=0)

        largest = np.abs(session(ensemble).run([OUTPUT], {INPUT: crops})[0] - each()).max()
        contenders = {
            "seven sessions": lambda each=each, calls=calls: [each() for _ in range(calls)],
            "one graph": caller(ensemble, crops, calls),
        }
        print(f"seven members, {ensemble.ByteSize() / 1e6:.1f} MB, batch {batch}, a face; differ by {largest:.1e}:")
        timing.show(timing.in_turn(contenders, repeats), "one graph", per=batch * calls, unit="us")


def shipped(faces: np.ndarray, repeats: int, write: bool) -> None:
    """The models at hand, one after another; `write` notes their times in NAME.measured.json."""
    crops, calls = rgba_of(faces[:1]), 20
    opened = {name: OnnxModel.open(path, threads=1) for name, path in models.found().items()}

    def calling(model: OnnxModel) -> Callable[[], None]:
        return lambda: [model(crops) for _ in range(calls)][-1]

    times = timing.in_turn({name: calling(model) for name, model in opened.items()}, repeats)
    print("models at hand, batch 1, a face:")
    timing.show(times, REFERENCE, per=calls, unit="us")
    ms = {name: 1e3 / calls * min(seconds) for name, seconds in times.items()}  # other programs only add to it
    where = {"threads": 1, "cpu": timing.processor(), "onnxruntime": onnxruntime.__version__}
    for name, model in opened.items() if write else ():
        speed = {"ms_per_face": ms[name], "relative_to": {REFERENCE: ms[REFERENCE]}, **where}
        models.note(model.path, speed=speed)


def beside_own_run(faces: np.ndarray, repeats: int) -> None:
    """The default model as Predictor asks it, to a bare run of the same file."""
    crops, calls, path = rgba_of(faces[:1]), 200, models.found()[REFERENCE]
    model, bare = OnnxModel.open(path, threads=1), session_of(path.read_bytes(), 1)
    contenders = {
        "a bare run": lambda: [bare.run([OUTPUT], {INPUT: crops}) for _ in range(calls)][-1],
        "Predictor's classifier": lambda: [model(crops) for _ in range(calls)][-1],
    }
    own, ours = timing.in_turn(contenders, repeats).values()
    ratios = sorted(b / a for a, b in zip(own, ours, strict=True))
    verdict = "met" if statistics.median(ratios) <= TARGET else "MISSED"
    print(f"{path.stem}, batch 1: Predictor's classifier takes {statistics.median(ratios):.2f} times the CPU time of a")
    print(f"  bare run, {statistics.median(own) / calls * 1e6:.0f} us ({ratios[0]:.2f} to {ratios[-1]:.2f});", end="")
    print(f" target {TARGET:g}: {verdict}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", help="a finished run directory")
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--write", action="store_true", help="time the models at hand and note it beside them")
    args = parser.parse_args()
    torch.set_num_threads(1)
    faces = sources.read("drawn", None, n_train=512, n_val=7, n_test=7, seed=0).of_split("train").pixels
    print(f"inference: {args.run or 'five_layer, random weights'}, one thread, on {timing.processor()}")
    if not args.write:
        one_model(predictor_of(directory.load(args.run)) if args.run else model_of(0), faces, args.repeats)
        seven(faces, args.repeats)
        beside_own_run(faces, 2 * args.repeats)
    shipped(faces, args.repeats, args.write)


if __name__ == "__main__":
    main()
