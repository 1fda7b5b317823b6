"""The package as a whole: what it lists, what it imports, how commands fail."""

import subprocess
import sys
from pathlib import Path

from edgeseg.training.config_file import tomllib

ROOT = Path(__file__).parent.parent


def test_listed_packages_are_those_on_disk():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {"edgeseg", "edgeseg.converters", "edgeseg.benchmarks"}
    for init in (ROOT / "edgeseg").rglob("__init__.py"):
        found.add(".".join(init.parent.relative_to(ROOT).parts))
    assert sorted(listed) == sorted(found)


def run(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)


def test_importing_the_runtime_imports_no_tensorflow():
    result = run(
        "import sys, edgeseg, edgeseg.runtime.pipeline, edgeseg.runtime.segmenter, edgeseg.cli;"
        "print(sorted({'tensorflow', 'keras', 'tf_keras', 'jax'} & set(sys.modules)))"
    )
    assert result.stdout.strip() == "[]", result.stdout + result.stderr


def test_command_line_lists_every_verb():
    result = run(
        "import sys; sys.argv = ['edgeseg', '--help']; from edgeseg.cli import main; main()"
    )
    assert result.returncode == 0, result.stderr
    for verb in ("segment", "train", "evaluate", "convert", "benchmark", "inspect", "doctor"):
        assert verb in result.stdout


def test_an_error_of_a_command_is_one_line_and_exit_code_2(tmp_path):
    path = tmp_path / "empty.toml"
    result = run(
        f"import sys; sys.argv = ['edgeseg', 'train', {str(path)!r}];"
        "from edgeseg.cli import main; main()"
    )
    assert result.returncode == 2
    assert result.stderr.strip().count("\n") == 0
    assert str(path) in result.stderr


def test_the_version_is_the_installed_one():
    import importlib.metadata

    import edgeseg

    said = subprocess.run(
        [sys.executable, "-m", "edgeseg", "--version"], capture_output=True, text=True, timeout=60
    )
    assert said.stdout == f"edgeseg {edgeseg.__version__}\n", said.stderr
    assert importlib.metadata.version("edgeseg") == edgeseg.__version__
