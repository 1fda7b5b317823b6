"""A camera, video, stream or sample with its background blurred, replaced or removed, live.

python demos/webcam.py
python demos/webcam.py --source clip.mp4 --effect replace --background beach.jpg --sink out.mp4
python demos/webcam.py --source sample --frames 240 --every-frame --sink none
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

# All else is imported where it is used, for Ctrl-C while that loads is one line, too.
from edgeseg.runtime.console import exit_code_of, report


def parser() -> argparse.ArgumentParser:
    """The options; their defaults are those of StreamSettings."""
    from edgeseg.runtime.effects import EFFECTS
    from edgeseg.runtime.stream_settings import StreamSettings
    from edgeseg.runtime.temporal import FILTERS

    default = StreamSettings()
    text = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = text.add_argument
    add(
        "--source",
        default=default.source,
        help="camera index, path or name; video file; image; "
        "folder;\nrtsp:// or http:// address; - for raw frames; sample.\n"
        "Default: the first camera, or the sample",
    )
    add("--effect", default=default.effect, choices=EFFECTS, help="Default: %(default)s")
    add(
        "--sink",
        default=default.sink,
        help="window, none, FILE.mp4 (.mkv .mov .avi .webm), "
        "FOLDER/,\n- for raw frames, mjpeg[:PORT], virtualcam[:DEVICE].\n"
        "Default: %(default)s",
    )
    add("--stats", help="write a JSON summary to this path; - for JSON lines on stderr")
    add("--picture", type=Path, help="write input | mask | result of one frame to this PNG")
    add("--frames", type=int, help="stop after so many frames")
    add("--size", help="WIDTHxHEIGHT of the sample, a camera or raw frames")
    add(
        "--every-frame",
        action="store_const",
        const=True,
        help="drop nothing; the default unless source or sink are live",
    )
    add(
        "--background",
        default=default.background,
        help="for replace: #rrggbb, an image or a video. Default: %(default)s",
    )
    add("--blur", type=float, default=default.blur, help="strength in pixels. Default: %(default)s")
    add("--model", default=default.model, help="bundled name or .tflite. Default: %(default)s")
    delegates = ("auto", "edgetpu", "gpu", "cpu")
    add("--delegate", default=default.delegate, choices=delegates, help="Default: %(default)s")
    add(
        "--threads",
        type=int,
        help="threads of the CPU kernels. Default: half of the processors, at most 4",
    )
    add(
        "--temporal",
        default=default.temporal,
        choices=tuple(FILTERS),
        help="what keeps the mask still. Default: %(default)s",
    )
    add("--no-refine", action="store_true", help="leave the mask's edges as the network draws them")
    add("--no-focus", action="store_true", help="look at the whole of every frame")
    add(
        "--glance-every",
        type=int,
        default=default.glance_every,
        help="frames between two glances at the whole frame. Default: %(default)s",
    )
    add(
        "--stall-ms",
        type=float,
        default=default.stall_ms,
        help="hide the picture when nothing came for so long. Default: %(default)s",
    )
    add(
        "--wait-s",
        type=float,
        default=default.wait_s,
        help="how long an address or stdin may be silent. Default: %(default)s",
    )
    add("--budget-ms", type=float, help="choose model and cadence to stay below this per frame")
    add("--cpu-percent", type=float, help="the same, as a share of one processor")
    add("--public", action="store_true", help="let other machines reach the mjpeg page")
    return text


def main() -> int:
    """Run the stream that the command line asks for."""
    from edgeseg.runtime.sources import parse_size
    from edgeseg.runtime.stream import run_stream
    from edgeseg.runtime.stream_settings import StreamSettings

    given = parser().parse_args()
    settings = StreamSettings(
        source=given.source,
        effect=given.effect,
        sink=given.sink,
        every_frame=given.every_frame,
        frames=given.frames,
        size=parse_size(given.size),
        model=given.model,
        delegate=given.delegate,
        threads=given.threads,
        temporal=given.temporal,
        refine=not given.no_refine,
        focus=not given.no_focus,
        glance_every=given.glance_every,
        background=given.background,
        blur=given.blur,
        stall_ms=given.stall_ms,
        wait_s=given.wait_s,
        stats=given.stats,
        picture=given.picture,
        budget_ms=given.budget_ms,
        cpu_percent=given.cpu_percent,
        public=given.public,
    )
    return report(run_stream(settings))


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
