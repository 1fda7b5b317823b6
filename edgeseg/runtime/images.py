"""Single images through a segmenter: nothing of one is remembered for the next."""

from __future__ import annotations

from pathlib import Path

from ..image_files import read_image
from .effects import make_effect
from .overwriting import refuse_overwriting
from .segmentation import Segmentation
from .segmenter import Segmenter
from .sinks import write_image

# Formats that can hold a cutout's alpha channel.
ALPHA_SUFFIXES = (".png", ".webp", ".tif", ".tiff")


def segment_image(
    segmenter: Segmenter,
    source: Path,
    target: Path,
    *,
    effect: str = "mask",
    background: str = "#2e7d4f",
    blur: float = 16.0,
) -> Segmentation:
    """Read `source`, segment it, write the effect's picture to `target`; returns the answer.

    The default effect writes the mask: 8 bit grey, 255 times the probability; for
    several classes their colours. Raises SourceError and SinkError, and InputError
    where `target` is `source` or the background.
    """
    frame = read_image(source)
    inputs = {"image": source}
    if Path(background).is_file():
        inputs["background"] = Path(background)
    refuse_overwriting({"output": target}, inputs)
    segmenter.reset()
    view = segmenter.view(frame)
    answer = segmenter.segmentation(segmenter.steady(segmenter.scores(view), view), frame)
    if effect == "mask" and answer.classes is None:
        write_image(target, answer.mask)
        return answer
    alpha = target.suffix.lower() in ALPHA_SUFFIXES
    made = make_effect(effect, spec=segmenter.spec, background=background, blur=blur, alpha=alpha)
    write_image(target, made.apply(frame, answer))
    return answer
