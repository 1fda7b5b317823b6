"""The person in a photo: a mask, or the photo with an effect.

python demos/image.py photo.jpg mask.png
python demos/image.py photo.jpg cut.png --effect cutout
python demos/image.py photo.jpg masks/
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import edgeseg

# All else is imported where it is used, for Ctrl-C while that loads is one line, too.
from edgeseg.runtime.console import exit_code_of


def main() -> int:
    """Segment one image, say where its segments are."""
    from edgeseg.runtime.effects import EFFECTS
    from edgeseg.runtime.images import segment_image
    from edgeseg.runtime.sinks import is_folder

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("image", type=Path, help="photo to read, such as a .jpg or .png")
    parser.add_argument("output", help="image, or folder: one that is there or with / at its end")
    parser.add_argument("--effect", default="mask", choices=EFFECTS, help="Default: %(default)s")
    parser.add_argument(
        "--background",
        default="#2e7d4f",
        help="for replace: #rrggbb or an image. Default: %(default)s",
    )
    parser.add_argument(
        "--model", default="person", help="bundled name or path of a .tflite. Default: %(default)s"
    )
    given = parser.parse_args()
    output = Path(given.output)
    if is_folder(given.output):
        output /= f"{given.image.stem}.png"
    # A photo has the time for a second look, at its mirror image.
    with edgeseg.Segmenter(given.model, flip=True) as segmenter:
        answer = segment_image(
            segmenter, given.image, output, effect=given.effect, background=given.background
        )
    found = edgeseg.boxes(answer.mask, smallest=64)
    for box in found:
        print(f"{box.width}x{box.height} at ({box.left}, {box.top}), {box.area} pixels")
    if not found:
        print("nothing was found")
    return 0


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
