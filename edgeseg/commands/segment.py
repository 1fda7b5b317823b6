"""`edgeseg segment`: an image, a folder of images, or a video."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""

    @app.command()
    def segment(
        source: Annotated[Path, typer.Argument(help="Image, folder of images, or video.")],
        output: Annotated[
            Path, typer.Option("--output", "-o", help="Image, folder, or video to write.")
        ],
        effect: Annotated[
            str, typer.Option(help="mask, overlay, cutout, blur, replace or none.")
        ] = "mask",
        model: Annotated[str, typer.Option(help="Bundled name or path of a .tflite.")] = "person",
        delegate: Annotated[str, typer.Option(help="auto, edgetpu, gpu or cpu.")] = "auto",
        threads: Annotated[int | None, typer.Option(help="Threads of the CPU kernels.")] = None,
        temporal: Annotated[
            str, typer.Option(help="For videos: none, ema, blend or flow.")
        ] = "flow",
        focus: Annotated[
            bool, typer.Option(help="For videos: look at the people and some room around them.")
        ] = True,
        glance_every: Annotated[
            int, typer.Option(help="Frames between two glances at the whole frame.")
        ] = 10,
        background: Annotated[
            str, typer.Option(help="For replace: #rrggbb, an image or a video.")
        ] = "#2e7d4f",
        blur: Annotated[float, typer.Option(help="Strength of blur in pixels.")] = 16.0,
    ) -> None:
        """Segment an image, a folder of images or a video."""
        from ..errors import InputError
        from ..runtime.effects import EFFECTS
        from ..runtime.segmenter import Segmenter
        from ..runtime.sources import IMAGE_SUFFIXES, image_paths

        if effect not in EFFECTS:
            raise InputError(f"effect: got {effect!r}, expected one of {', '.join(EFFECTS)}")
        if source.is_dir() or source.suffix.lower() in IMAGE_SUFFIXES:
            paths = image_paths(source) if source.is_dir() else [source]
            targets = _targets(source, output, paths)
            with Segmenter(model, delegate=delegate, threads=threads) as segmenter:
                _images(segmenter, paths, targets, effect, background, blur)
            return
        _video(
            source=source,
            output=output,
            effect=effect,
            model=model,
            delegate=delegate,
            threads=threads,
            temporal=temporal,
            focus=focus,
            glance_every=glance_every,
            background=background,
            blur=blur,
        )


def _targets(source: Path, output: Path, paths: list[Path]) -> list[Path]:
    """A PNG in the output folder for each image, or the output itself for one image."""
    from ..errors import InputError

    if not source.is_dir() and not output.is_dir():
        return [output]
    if output.suffix and not output.is_dir():
        raise InputError(f"output: got {output}, expected a folder for a folder of images")
    targets = [output / f"{path.stem}.png" for path in paths]
    if len(set(targets)) < len(targets):
        # photo.jpg beside photo.png: the suffix tells their masks apart.
        targets = [output / f"{path.name}.png" for path in paths]
    if output.resolve() == (source if source.is_dir() else source.parent).resolve():
        raise InputError(f"output: got {output}, expected another folder than the images' own")
    return targets


def _images(segmenter, paths, targets, effect: str, background: str, blur: float) -> None:
    from rich.progress import Progress

    from ..runtime.images import segment_image

    with Progress(transient=len(paths) == 1) as progress:
        task = progress.add_task("segment", total=len(paths))
        for path, target in zip(paths, targets, strict=True):
            segment_image(segmenter, path, target, effect=effect, background=background, blur=blur)
            progress.advance(task)


def _video(
    *,
    source: Path,
    output: Path,
    effect: str,
    model: str,
    delegate: str,
    threads: int | None,
    temporal: str,
    focus: bool,
    glance_every: int,
    background: str,
    blur: float,
) -> None:
    from rich.progress import Progress

    from ..errors import SourceError
    from ..runtime.console import report
    from ..runtime.stream import Stream
    from ..runtime.stream_settings import StreamSettings

    if not source.is_file():
        raise SourceError(f"{source}: got no such file, expected an image, a folder or a video")
    folder = not output.suffix or output.is_dir()
    settings = StreamSettings(
        source=str(source),
        sink=f"{output}/" if folder else str(output),
        effect=effect,
        model=model,
        delegate=delegate,
        threads=threads,
        temporal=temporal,
        focus=focus,
        glance_every=glance_every,
        background=background,
        blur=blur,
        every_frame=True,
    )
    with Stream(settings) as stream, Progress() as progress:
        task = progress.add_task("segment", total=stream.count)
        stream.on_frame = lambda shown: progress.update(task, completed=shown)
        summary = stream.run()
        # A file's own count of its frames is a guess.
        progress.update(task, total=summary.frames, completed=summary.frames)
    code = report(summary)
    if code:
        raise typer.Exit(code)
