"""A watchdog around an accelerator: NaN, frozen or late answers move the network to the CPU."""

from __future__ import annotations

import logging
import math
import threading
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import DelegateError, InputError, ModelError
from .golden import disagreement

log = logging.getLogger("edgeseg")
# So many equal answers to different inputs are suspicious; the CPU is asked then.
FROZEN_AFTER = 10
# An invoke that takes longer is taken for one that never returns.
HANG_S = 5.0


class Guarded:
    """Runs an interpreter and, once it misbehaves, the CPU's instead.

    interpreter: on the delegate `name`. open_cpu: opens the trusted one; called at
    most once. The CPU itself is watched for NaN alone, which is an error there. A model
    that was compiled for an accelerator has no CPU to go to: `open_cpu` raises ModelError.
    """

    def __init__(
        self,
        interpreter: Any,
        *,
        name: str,
        open_cpu: Callable[[], Any],
        hang_s: float = HANG_S,
    ) -> None:
        self.name = name
        self.warnings: list[str] = []
        self.interpreter = interpreter
        self._open_cpu = open_cpu
        self._cpu: Any = None
        self._hang_s = hang_s
        self._closed = False
        self._patience: float = FROZEN_AFTER
        self._repeats = 0
        self._last_question = self._last_answer = -1

    def run(self, stored: np.ndarray) -> np.ndarray:
        """Stored input -> float32 output (1, h, w, k).

        Raises ModelError for NaN on the CPU, DelegateError where the CPU is needed and cannot
        open the model, InputError after `close`, by whatever thread.
        """
        if self.name == "cpu":
            return _finite(_answer(self.interpreter, stored))
        output, problem = self._ask(stored)
        if problem is None and self._looks_frozen(stored, output):
            problem = self._compare_with_cpu(stored, output)
        if problem is None:
            return output
        if self._closed:
            # By another thread: it is no fault of the accelerator.
            raise InputError("interpreter: got a call after it was closed; open another one")
        return self._move_to_cpu(problem, stored)

    def close(self) -> None:
        """Release the interpreter; what is called after it raises InputError."""
        self._closed = True
        self.interpreter.close()

    def _ask(self, stored: np.ndarray) -> tuple[Any, str | None]:
        """The accelerator's answer, or what is wrong with it."""
        box: dict[str, Any] = {}

        def work() -> None:
            try:
                box["output"] = _answer(self.interpreter, stored)
            except Exception as error:  # whatever a driver raises
                box["error"] = error

        # A hung driver call cannot be interrupted: it is left behind in its daemon thread.
        thread = threading.Thread(target=work, name="edgeseg-delegate", daemon=True)
        thread.start()
        thread.join(self._hang_s)
        if thread.is_alive():
            return None, f"no answer within {self._hang_s:g} s"
        if "error" in box:
            return None, f"failed ({box['error']})"
        if not np.isfinite(box["output"]).all():
            return None, "gave NaN or infinite values"
        return box["output"], None

    def _looks_frozen(self, stored: np.ndarray, output: np.ndarray) -> bool:
        question, answer = zlib.crc32(stored.data), zlib.crc32(np.ascontiguousarray(output).data)
        if answer != self._last_answer:
            self._repeats = 0
        elif question != self._last_question:
            self._repeats += 1
        self._last_question, self._last_answer = question, answer
        return self._repeats >= self._patience

    def _compare_with_cpu(self, stored: np.ndarray, output: np.ndarray) -> str | None:
        """An empty room gives equal answers too: only the CPU can tell."""
        try:
            trusted = _answer(self._trusted(), stored)
        except ModelError:
            self._patience = math.inf  # There is nobody to ask.
            return None
        if disagreement(output, trusted) is None:
            self._patience *= 2
            self._repeats = 0
            return None
        return f"gave the same answer {self._repeats + 1} times, which the CPU does not"

    def _move_to_cpu(self, problem: str, stored: np.ndarray) -> np.ndarray:
        try:
            trusted = self._trusted()
        except ModelError as error:
            raise DelegateError(
                f"{self.name}: {problem}, and the CPU cannot take over ({error})"
            ) from None
        message = f"{self.name}: {problem}; the network runs on the CPU from here on"
        self.warnings.append(message)
        log.warning(message)
        self.interpreter, self.name = trusted, "cpu"
        return _finite(_answer(self.interpreter, stored))

    def _trusted(self) -> Any:
        if self._cpu is None:
            self._cpu = self._open_cpu()
        return self._cpu


def _answer(interpreter: Any, stored: np.ndarray) -> np.ndarray:
    interpreter.set_input(stored)
    interpreter.invoke()
    return interpreter.outputs[0].dequantize(interpreter.get_output())


def _finite(output: np.ndarray) -> np.ndarray:
    if not np.isfinite(output).all():
        raise ModelError("model: got NaN or infinite values on the CPU, expected probabilities")
    return output
