"""`edgeseg segment`: an image, a folder of images, or a video."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.progress import Progress

    from ..runtime.stream_settings import StreamSettings


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""

    @app.command()
    def segment(
        source: Annotated[Path, typer.Argument(help="Image, folder of images, or video.")],
        output: Annotated[
            str,
            typer.Option(
                "--output",
                "-o",
                help="Image, video, or folder: a name without a suffix or with a slash at its end.",
            ),
        ],
        effect: Annotated[
            str, typer.Option(help="mask, overlay, cutout, blur, replace or none.")
        ] = "mask",
        model: Annotated[str, typer.Option(help="Bundled name or path of a .tflite.")] = "person",
        delegate: Annotated[str, typer.Option(help="auto, edgetpu, gpu or cpu.")] = "auto",
        threads: Annotated[
            int | None,
            typer.Option(help="Of the CPU kernels. Default: half of the processors, at most 4."),
        ] = None,
        temporal: Annotated[
            str, typer.Option(help="For videos: none, ema, blend or flow.")
        ] = "flow",
        focus: Annotated[
            bool, typer.Option(help="Look at the people and some room around them.")
        ] = True,
        glance_every: Annotated[
            int, typer.Option(help="Frames between two glances at the whole frame.")
        ] = 10,
        flip: Annotated[
            bool,
            typer.Option(
                help="For images: average with the mask of the mirror image, in twice the time."
            ),
        ] = True,
        background: Annotated[
            str, typer.Option(help="For replace: #rrggbb, an image or a video.")
        ] = "#2e7d4f",
        blur: Annotated[float, typer.Option(help="Strength of blur in pixels.")] = 16.0,
    ) -> None:
        """Segment an image, a folder of images or a video."""
        from ..errors import InputError
        from ..image_files import image_paths, is_image
        from ..runtime.stream_settings import StreamSettings

        if output in ("", "-"):
            got = "an empty name" if not output else "-, and stdout is not written to"
            raise InputError(f"output: got {got}; expected an image, a folder or a video")
        # Of use for images as well: what it refuses is wrong for them, too.
        settings = StreamSettings(
            source=str(source),
            sink=f"{output}/" if _is_folder(output) else output,
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
        if source.is_dir() or is_image(source):
            paths = image_paths(source) if source.is_dir() else [source]
            _images(settings, paths, _targets(source, output, paths), flip=flip)
        else:
            _video(settings, source)


def _is_folder(output: str) -> bool:
    """Whether an output is a folder: one that is there, or by its name."""
    from ..runtime.sinks import is_folder

    return is_folder(output) or not Path(output).suffix


def _targets(source: Path, name: str, paths: list[Path]) -> list[Path]:
    """A PNG in the output folder for each image, or the output itself for one image."""
    from ..errors import InputError
    from ..image_files import IMAGE_SUFFIXES
    from ..runtime.video_file import VIDEO_SUFFIXES

    output = Path(name)
    if not source.is_dir() and not _is_folder(name):
        return [output]
    if output.suffix.lower() in (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES) and not _is_folder(name):
        raise InputError(f"output: got {output}, expected a folder for a folder of images")
    targets = [output / f"{path.stem}.png" for path in paths]
    if len(set(targets)) < len(targets):
        # photo.jpg beside photo.png: the suffix tells their masks apart.
        targets = [output / f"{path.name}.png" for path in paths]
    if output.resolve() == (source if source.is_dir() else source.parent).resolve():
        raise InputError(f"output: got {output}, expected another folder than the images' own")
    return targets


def _images(
    settings: StreamSettings, paths: list[Path], targets: list[Path], *, flip: bool
) -> None:
    """Every image that can be read; SourceError at the end where one could not."""
    from ..errors import SourceError
    from ..runtime.images import segment_image
    from ..runtime.segmenter import Segmenter

    bad = []
    with (
        Segmenter(
            settings.model,
            delegate=settings.delegate,
            threads=settings.threads,
            focus=settings.focus,
            flip=flip,
        ) as segmenter,
        _progress(transient=len(paths) == 1) as progress,
    ):
        task = progress.add_task("segment", total=len(paths))
        for path, target in zip(paths, targets, strict=True):
            try:
                segment_image(
                    segmenter,
                    path,
                    target,
                    effect=settings.effect,
                    background=settings.background,
                    blur=settings.blur,
                )
            except SourceError as error:
                if len(paths) == 1:
                    raise
                bad.append(path)
                print(f"edgeseg: {error}", file=sys.stderr)
            progress.advance(task)
    if bad:
        raise SourceError(
            f"{bad[0].parent}: got {len(bad)} of {len(paths)} images that cannot be read; "
            "all others are segmented"
        )


def _progress(*, transient: bool = False) -> Progress:
    """A bar on stderr; of one image, which is gone at its end, only where somebody sees it."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    return Progress(
        console=console, transient=transient, disable=transient and not console.is_terminal
    )


def _video(settings: StreamSettings, source: Path) -> None:
    from ..errors import InputError, SourceError
    from ..runtime.console import report
    from ..runtime.sinks import is_folder, is_video
    from ..runtime.stream import Stream
    from ..runtime.video_file import VIDEO_SUFFIXES

    if not source.is_file():
        raise SourceError(f"{source}: got no such file, expected an image, a folder or a video")
    if not (is_video(settings.sink) or is_folder(settings.sink)):
        known = " ".join(VIDEO_SUFFIXES)
        got = settings.sink
        raise InputError(f"output: got {got} for a video, expected one of {known}, or a folder")
    with Stream(settings) as stream, _progress() as progress:
        task = progress.add_task("segment", total=stream.count)
        stream.on_frame = lambda shown: progress.update(task, completed=shown)
        summary = stream.run()
        if not summary.interrupted:
            # A file's own count of its frames is a guess.
            progress.update(task, total=summary.frames, completed=summary.frames)
    code = report(summary)
    if code:
        raise typer.Exit(code)
