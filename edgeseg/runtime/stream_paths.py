"""The paths of a stream's settings, looked at before anything is opened."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError
from ..image_files import image_paths
from .overwriting import refuse_numbering_over, refuse_overwriting
from .sinks import check_image_path, is_folder, is_video
from .stream_settings import StreamSettings
from .summary import check_statistics_path


def check_paths(settings: StreamSettings) -> None:
    """Refuse, before the first frame, what could not be written or would replace something.

    Raises InputError for an output that is an input or another output, and for numbered
    pictures among the source's own; SinkError for a picture or statistics that would go to a
    device or a folder, and for a picture of no known format.
    """
    source, sink = Path(settings.source), Path(settings.sink)
    if source.is_dir() and sink.resolve() == source.resolve():
        raise InputError(
            f"sink: got {settings.sink}, the folder of the source; expected another folder"
        )
    words = {"source": settings.source, "background": settings.background, "model": settings.model}
    inputs = {name: Path(word) for name, word in words.items() if Path(word).is_file()}
    if source.is_dir():
        inputs |= {f"source {path.name}": path for path in image_paths(source)}
    outputs = {}
    if is_video(settings.sink):
        outputs["sink"] = sink
    if settings.picture is not None:
        check_image_path(settings.picture)
        outputs["picture"] = settings.picture
    if settings.stats not in (None, "-"):
        outputs["stats"] = Path(str(settings.stats))
        check_statistics_path(outputs["stats"])
    refuse_overwriting(outputs, inputs)
    if is_folder(settings.sink):
        refuse_numbering_over(sink, {**inputs, **outputs})
