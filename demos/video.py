"""A video with an effect, every frame and the sound kept.

python demos/video.py clip.mp4 out.mp4 --effect blur
"""

from __future__ import annotations

import argparse
import sys

# All else is imported where it is used, for Ctrl-C while that loads is one line, too.
from edgeseg.runtime.console import exit_code_of, report


def main() -> int:
    """Run a video file through an effect."""
    from edgeseg.runtime.effects import EFFECTS
    from edgeseg.runtime.stream import run_stream
    from edgeseg.runtime.stream_settings import StreamSettings

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("video", help="video file, folder of images, or http:// address of a file")
    parser.add_argument("output", help="FILE.mp4 (.mkv .mov .avi .webm), or FOLDER/ for PNGs")
    parser.add_argument("--effect", default="blur", choices=EFFECTS, help="Default: %(default)s")
    parser.add_argument(
        "--background",
        default="#2e7d4f",
        help="for replace: #rrggbb, an image or a video. Default: %(default)s",
    )
    parser.add_argument(
        "--model", default="person", help="bundled name or path of a .tflite. Default: %(default)s"
    )
    given = parser.parse_args()
    settings = StreamSettings(
        source=given.video,
        sink=given.output,
        effect=given.effect,
        background=given.background,
        model=given.model,
        every_frame=True,
    )
    return report(run_stream(settings))


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
