"""Where the classical methods end, in one picture: `python -m edgeseg.classical.failures DATA`.

The cases are chosen by the truth alone, each as the photo that breaks one assumption
the most; how the methods then do is drawn beside it.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..data.folder import Sample, read_pairs
from ..errors import InputError
from ..metrics import false_positive_area, iou
from . import METHODS

# Of a cell of the sheet, in pixels: the largest picture, and the line of text under it.
CELL_WIDTH, CELL_HEIGHT, TEXT_HEIGHT = 220, 220, 22
INK, PAPER, OUTLINE = (40, 40, 40), (255, 255, 255), (60, 220, 60)
# Smaller parts of a mask are no people of their own, as a share of the picture.
SMALLEST_PART = 0.02


@dataclass(frozen=True)
class Case:
    """A photo that breaks an assumption. name: which, for people. truth: bool (H, W)."""

    name: str
    image: np.ndarray
    truth: np.ndarray


def off_centre(image: np.ndarray, truth: np.ndarray) -> float:
    """How far the middle of the foreground is from the picture's, as a share of its width."""
    return abs(float(np.nonzero(truth)[1].mean()) / truth.shape[1] - 0.5)


def alike(image: np.ndarray, truth: np.ndarray) -> float:
    """How alike foreground and background are: minus the distance of their mean Lab colours."""
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_BGR2LAB)
    return -float(np.linalg.norm(lab[truth].mean(axis=0) - lab[~truth].mean(axis=0)))


def parts(image: np.ndarray, truth: np.ndarray) -> float:
    """The number of separate parts of the foreground that are large enough to count."""
    _, _, found, _ = cv2.connectedComponentsWithStats(truth.astype(np.uint8))
    return float(np.count_nonzero(found[1:, cv2.CC_STAT_AREA] > SMALLEST_PART * truth.size))


def border_touched(image: np.ndarray, truth: np.ndarray) -> float:
    """The share of the left, upper and right edge that is foreground."""
    return float(np.concatenate([truth[0], truth[:, 0], truth[:, -1]]).mean())


def colourful(image: np.ndarray, truth: np.ndarray) -> float:
    """How much Lab colour varies: where nobody is there, much to mistake for somebody."""
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_BGR2LAB)
    return float(lab.reshape(-1, 3).std(axis=0).sum())


# The assumption, and the measure whose largest value breaks it the most.
ASSUMPTIONS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "foreground in the middle": off_centre,
    "foreground of another colour": alike,
    "one piece": parts,
    "background along the border": border_touched,
}
NOBODY = "somebody is there"
# Nearly empty or full masks show nothing of an assumption.
LEAST_AREA, MOST_AREA = 0.05, 0.95


def choose(samples: Iterable[Sample]) -> list[Case]:
    """The photo that breaks each assumption the most, each photo once at most.

    Raises InputError where no sample has a usable mask.
    """
    people, nobody = [], []
    for sample in samples:
        image, truth = sample.read_image(), sample.read_mask() > 127
        if LEAST_AREA < truth.mean() < MOST_AREA:
            people.append(Case(sample.name, image, truth))
        elif not truth.any():
            nobody.append(Case(sample.name, image, truth))
    if not people:
        raise InputError("samples: got none with a foreground of 5 to 95 %, expected at least one")
    chosen: list[Case] = []
    for name, measure in ASSUMPTIONS.items():
        left = [case for case in people if not any(case.image is c.image for c in chosen)]
        if left:
            chosen.append(_most(left, name, measure))
    return chosen + ([_most(nobody, NOBODY, colourful)] if nobody else [])


def _most(
    cases: Sequence[Case], name: str, measure: Callable[[np.ndarray, np.ndarray], float]
) -> Case:
    worst = max(cases, key=lambda case: measure(case.image, case.truth))
    return Case(name, worst.image, worst.truth)


def sheet(cases: Sequence[Case]) -> np.ndarray:
    """uint8 (H, W, 3) BGR: a row per case, with the truth and every method's answer outlined."""
    return np.vstack([_row(case) for case in cases])


def _row(case: Case) -> np.ndarray:
    cells = [_cell(case.image, case.truth, f"breaks: {case.name}")]
    for name, method in METHODS.items():
        answer = method.segment(case.image)
        if case.truth.any():
            score = f"{name}: IoU {iou(answer, case.truth):.2f}"
        else:
            score = f"{name}: {false_positive_area(answer):.0%} invented"
        cells.append(_cell(case.image, answer, score))
    return np.hstack(cells)


def _cell(image: np.ndarray, mask: np.ndarray, text: str) -> np.ndarray:
    """The image with a mask outlined and the rest darkened, fitted into a cell, text below."""
    scale = min(CELL_WIDTH / image.shape[1], CELL_HEIGHT / image.shape[0])
    size = (int(image.shape[1] * scale), int(image.shape[0] * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    inside = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    small = np.where(inside[..., np.newaxis] > 0, small, small // 3).astype(np.uint8)
    contours, _ = cv2.findContours(inside, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(small, contours, -1, OUTLINE, 1, cv2.LINE_AA)
    cell = np.full((size[1] + TEXT_HEIGHT, CELL_WIDTH, 3), PAPER, np.uint8)
    left = (CELL_WIDTH - size[0]) // 2
    cell[: size[1], left : left + size[0]] = small
    where = (4, size[1] + TEXT_HEIGHT - 7)
    cv2.putText(cell, text, where, cv2.FONT_HERSHEY_SIMPLEX, 0.42, INK, 1, cv2.LINE_AA)
    return cell


def write_sheet(data: Path, output: Path) -> list[Case]:
    """Choose cases from a folder with images/ and masks/ and write the sheet; returns the cases."""
    cases = choose(read_pairs(data))
    done, png = cv2.imencode(".png", sheet(cases))
    if not done:
        raise InputError(f"{output}: got a picture that cannot be encoded")
    output.parent.mkdir(parents=True, exist_ok=True)
    beside = output.with_name(f".{output.name}.part")
    beside.write_bytes(png.tobytes())
    os.replace(beside, output)
    return cases


def main() -> int:
    """Write the sheet and name its cases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with images/ and masks/")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("failures.png"),
        help="picture to write, a PNG; default: %(default)s",
    )
    arguments = parser.parse_args()
    for case in write_sheet(arguments.data, arguments.output):
        print(case.name)
    print(arguments.output)
    return 0


if __name__ == "__main__":
    from ..runtime.console import exit_code_of

    raise SystemExit(exit_code_of(main))
