"""`edgeseg convert`: from a trained model to verified files for every kind of device."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""

    @app.command()
    def convert(
        model: Annotated[
            list[str],
            typer.Argument(
                metavar="MODEL", help="A .keras or .h5 file, a run's folder, or a float .tflite."
            ),
        ],
        calibration: Annotated[
            Path,
            typer.Option(
                help="Folder with real images, as the model will see them: for the ranges of "
                "integer files, and to verify on."
            ),
        ],
        to: Annotated[
            list[str],
            typer.Option(
                metavar="TARGET...",
                help="float32, float16, dynamic, int8, gpu, edgetpu, int8-qat, mediapipe; "
                "all: those before int8-qat.",
            ),
        ] = ["all"],  # noqa: B006  (Typer reads the default, nobody changes it)
        output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.")] = Path(
            "dist"
        ),
        images: Annotated[
            Path | None,
            typer.Option(
                help="Folder with images to verify on. Default: calibration images kept back."
            ),
        ] = None,
        video: Annotated[
            Path | None,
            typer.Option(help="Folder with a clip's frames as images, to verify flicker on."),
        ] = None,
        max_iou_drop: Annotated[
            float, typer.Option(help="Largest drop of mean IoU that passes, 0 to 1.")
        ] = 0.005,
        max_flicker_rise: Annotated[
            float | None,
            typer.Option(help="Largest rise of flicker that passes, per mille; needs --video."),
        ] = None,
        io: Annotated[
            str,
            typer.Option(
                help="Type of the integer files' input and output: int8, uint8, or, but for "
                "edgetpu, float32."
            ),
        ] = "int8",
        spec: Annotated[
            Path | None, typer.Option(help="spec.json. Default: the one beside the weights.")
        ] = None,
        qat: Annotated[
            Path | None,
            typer.Option(
                help="Folder with quantization-aware weights, for int8-qat. Default: MODEL/qat."
            ),
        ] = None,
        frames: Annotated[int, typer.Option(min=1, help="Calibration images used.")] = 100,
        verify: Annotated[int, typer.Option(min=1, help="Images verified on.")] = 100,
        video_frames: Annotated[int, typer.Option(min=2, help="Frames of the clip used.")] = 60,
        as_json: Annotated[
            bool, typer.Option("--json", help="Print the manifest instead of a table.")
        ] = False,
        quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only errors.")] = False,
    ) -> None:
        """Convert a trained model, verify every file and refuse those that are wrong.

        Exit code 0: every gate passed, 3: one failed or a file could not be made, 2: bad input
        or usage.
        """
        from edgeseg.converters.cli import Options, run

        run(
            Options(
                arguments=tuple(model),
                targets=tuple(to),
                output=output,
                calibration=calibration,
                images=images,
                video=video,
                max_iou_drop=max_iou_drop,
                max_flicker_rise=max_flicker_rise,
                io=io,
                spec=spec,
                qat=qat,
                frames=frames,
                verify=verify,
                video_frames=video_frames,
                as_json=as_json,
                quiet=quiet,
            )
        )
