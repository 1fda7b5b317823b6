"""Try one device in a process of its own: `python -m edgeseg.runtime.trial cpu`.

The last line of the output is JSON, {"ok": bool, "found": str}. A driver that hangs
or crashes then takes nobody else with it.
"""

from __future__ import annotations

import json
import sys

from ..errors import EdgesegError
from ..spec import load_model
from .assets import bundled, resolve
from .capture import Camera
from .delegates import OPENERS, choose, invoke_ms, ops_per_device
from .interpreter import Interpreter


def try_delegate(name: str) -> str:
    """Run a bundled model on a delegate; what was found, or an EdgesegError why not."""
    model, spec = load_model(resolve(next(iter(bundled()), "person")))
    if name == "edgetpu":
        # The library and the device come first: without them no compiled model would help.
        Interpreter(model, threads=1, delegate="edgetpu").close()
        return "the runtime loads and a device answers; models have to be compiled for it"
    choice = choose(model, spec, delegate=name)
    interpreter = choice.interpreter
    places = ", ".join(
        f"{count} on {place}" for place, count in ops_per_device(interpreter).items()
    )
    return (
        f"{spec.name} runs in {invoke_ms(interpreter):.1f} ms and agrees with the stored answer; "
        f"{interpreter.package}, operators: {places}"
    )


def try_camera(index: str) -> str:
    """Grab one frame; what was found, or an EdgesegError why not."""
    camera = Camera(index, reopen_s=0.0)
    try:
        frame = camera.read()
    finally:
        camera.close()
    if frame is None:
        return "opens, and gives no frame"
    return f"gives {frame.shape[1]}x{frame.shape[0]} at {camera.fps:g} frames a second"


def main(arguments: list[str]) -> None:
    """`cpu`, `gpu`, `edgetpu`, or `camera INDEX`."""
    try:
        if arguments[0] in OPENERS:
            found = try_delegate(arguments[0])
        else:
            found = try_camera(arguments[1])
        answer = {"ok": True, "found": found}
    except EdgesegError as error:
        answer = {"ok": False, "found": str(error)}
    print(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1:])
