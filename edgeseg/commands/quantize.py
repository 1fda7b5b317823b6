"""`edgeseg train --quantize` and `--prune`: fine-tune a run, convert, and compare on validation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from ..errors import require
from ..spec import ModelSpec
from ..training.checking import check_files
from ..training.config import TrainConfig
from ..training.record import describe, write_text
from ..training.task import Task
from ..training.tasks import make_task

Scores = dict[str, float]


def quantize_run(
    config: TrainConfig, folder: Path, *, root: Path, skip_bad: bool, console: Console
) -> dict[str, Scores]:
    """Quantization-aware fine-tuning of a run; float, post-training and QAT scores side by side.

    Writes FOLDER/qat: qat.weights.h5 (loads again), weights.npz, spec.json,
    model.tflite, ptq.tflite and scores.json. Returns the scores.
    """
    require("tensorflow_model_optimization", extra="train")
    from ..converters.golden import golden_entries
    from ..converters.int8 import convert_int8
    from ..training import finetune, qat

    task = _checked_task(config, root, skip_bad=skip_bad, console=console)
    config = task.config
    model = finetune.float_model(config, folder)
    spec = task.spec(config.stages[-1].size)
    frames = _frames(task, config.finetune.frames)
    predict = _keras_predict(model)
    scores = {"float": _validate(task, predict, spec, console, "float")}

    console.print("post-training int8: calibrating and converting")
    ptq = convert_int8(model, spec, frames)
    scores["post-training int8"] = _validate(task, _tflite_predict(ptq), spec, console, "PTQ")

    console.print("quantization-aware training: rebuilding, calibrating")
    stage = finetune.finetune_stage(config)
    pipeline = task.pipeline(stage, model)
    batches = max(1, config.finetune.frames // stage.batch)
    ranges = qat.layer_ranges(
        model, (pipeline.batch(step, stage.batch).tensor for step in range(batches))
    )
    copy = qat.quantized_copy(model, ranges, weights=True)
    with Progress(console=console) as progress:
        finetune.finetune(copy, task, model, progress=progress)
    out = folder / "qat"
    qat.save_quantized(copy, out)
    describe(out, config, spec, backend="tf_keras")

    golden = golden_entries(frames, spec, predict)
    converted = _convert_quantized(qat.for_conversion(model, copy), spec, golden)
    scores["quantization-aware int8"] = _validate(
        task, _tflite_predict(converted), spec, console, "QAT"
    )
    _write(out / "model.tflite", converted)
    _write(out / "ptq.tflite", ptq)
    write_text(out / "scores.json", json.dumps(scores, indent=1))
    console.print(comparison(scores))
    console.print(f"{out}: model.tflite, qat.weights.h5, scores.json", highlight=False)
    return scores


def prune_run(
    config: TrainConfig, folder: Path, *, root: Path, skip_bad: bool, console: Console
) -> dict[str, Scores]:
    """Magnitude pruning of a run while fine-tuning; scores before and after.

    Writes FOLDER/pruned: weights.npz, config.json, spec.json, scores.json.
    """
    require("tensorflow_model_optimization", extra="train")
    from ..models.weights import save_weights
    from ..training import finetune, pruning

    task = _checked_task(config, root, skip_bad=skip_bad, console=console)
    config = task.config
    model = finetune.float_model(config, folder)
    spec = task.spec(config.stages[-1].size)
    scores = {"float": _validate(task, _keras_predict(model), spec, console, "float")}
    settings = config.finetune
    copy = pruning.prunable_copy(
        finetune.float_model(config, folder),
        sparsity=settings.sparsity,
        steps=round(settings.steps * settings.pruning_share),
    )
    with Progress(console=console) as progress:
        finetune.finetune(copy, task, model, progress=progress)
    pruned = pruning.stripped(copy)
    share = pruning.kernel_sparsity(pruned)
    name = f"pruned, {100 * share:.1f} % zeros"
    scores[name] = _validate(task, _keras_predict(pruned), spec, console, "pruned")
    out = folder / "pruned"
    save_weights(pruned, out / "weights.npz")
    describe(out, config, spec, backend="tf_keras")
    write_text(out / "scores.json", json.dumps(scores, indent=1))
    console.print(comparison(scores))
    return scores


def _checked_task(config: TrainConfig, root: Path, *, skip_bad: bool, console: Console) -> Task:
    """The run's task; a file that cannot be read is named or left out before hours are lost."""
    task = make_task(config, root, skip_bad=skip_bad)
    check_files(task, workers=task.config.data.workers, skip_bad=skip_bad, console=console)
    return task


def comparison(scores: dict[str, Scores]) -> Table:
    """A column per model, a row per score, differences from the first in brackets."""
    table = Table("score", *scores)
    first, *others = scores.values()
    for name, value in first.items():
        if not np.isnan(value):
            table.add_row(
                name,
                f"{value:.4f}",
                *(f"{other[name]:.4f} ({other[name] - value:+.4f})" for other in others),
            )
    return table


def _frames(task: Task, count: int) -> list[np.ndarray]:
    """Training images for calibration, spread evenly."""
    held_out = {sample.image for sample in getattr(task, "validation", ())}
    samples = [sample for sample in task.samples() if sample.image not in held_out]
    chosen = np.unique(np.linspace(0, len(samples) - 1, count).round().astype(int))
    return [samples[index].read_image() for index in chosen]


def _validate(task: Task, predict, spec: ModelSpec, console: Console, name: str) -> Scores:
    with console.status(f"validating {name}"):
        return task.validate(predict, spec)


def _keras_predict(model):
    def predict(tensor: np.ndarray) -> np.ndarray:
        return np.asarray(model.predict_on_batch(tensor), np.float32)

    return predict


def _tflite_predict(data: bytes):
    from ..runtime.interpreter import Interpreter

    interpreter = Interpreter(data)

    def predict(tensor: np.ndarray) -> np.ndarray:
        return np.concatenate([interpreter.run(image[np.newaxis]) for image in tensor])

    return predict


def _convert_quantized(model, spec: ModelSpec, golden: dict[str, bytes]) -> bytes:
    """A quantization-aware model as an int8 file: its ranges are inside, nothing is calibrated."""
    import tensorflow as tf

    from ..converters.golden import finish
    from ..converters.graph import concrete_function, tflite_converter

    converter = tflite_converter(concrete_function(model, spec))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    return finish(converter.convert(), spec, golden)


def _write(path: Path, data: bytes) -> None:
    beside = path.with_name(path.name + ".part")
    beside.write_bytes(data)
    beside.replace(path)
