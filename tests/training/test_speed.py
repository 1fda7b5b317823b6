"""`--measure`: images per second of pipeline and step, by a clock that is known."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import io
import itertools
from types import SimpleNamespace

import pytest
from rich.console import Console

from edgeseg.errors import InputError
from edgeseg.training import speed
from edgeseg.training.config_file import load_config


@pytest.fixture
def config(dense_entry_config):
    return dense_entry_config(width=0.35)


def test_rates_are_images_over_the_clocks_seconds(config, tmp_path, monkeypatch):
    # Half a second between any two looks at the clock: batches of 4 in half a second each.
    ticks = itertools.count()
    clock = SimpleNamespace(perf_counter=lambda: next(ticks) / 2)
    monkeypatch.setattr(speed, "time", clock)
    console = Console(file=io.StringIO(), width=100)
    rates = speed.measure_speed(load_config(config), root=tmp_path, console=console)
    assert rates == {"pipeline": pytest.approx(8), "step": pytest.approx(8)}
    printed = console.file.getvalue()
    assert "64x64, batch 4" in printed
    assert printed.count(" 8.0 ") == 2
    # All batches and one look before them, then two looks at each step.
    batches = speed.BATCHES + speed.WARM_UP
    assert next(ticks) == 1 + 2 * batches + 2 * batches


def test_a_batch_that_does_not_split_is_refused(config, tmp_path):
    with pytest.raises(InputError, match="devices: got 99|batch: got 4 for"):
        speed.measure_speed(
            load_config(config), root=tmp_path, console=Console(quiet=True), devices=99
        )


def test_files_that_cannot_be_read_are_left_out(config, tmp_path, monkeypatch):
    options = {"root": tmp_path, "console": Console(quiet=True)}

    def leave_out(task, *, skip_bad, **_):
        raise StopIteration(skip_bad)

    monkeypatch.setattr(speed, "check_files", leave_out)
    with pytest.raises(StopIteration) as reached:
        speed.measure_speed(load_config(config), skip_bad=True, **options)
    assert reached.value.value is True
