"""Pictures of the demo's items, drawn here: a silhouette, a colour, a pattern, light from above."""

import math
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from .catalogue import COLORS, Item

WIDTH, HEIGHT = 480, 600
#: Drawn this much larger and scaled down: that smooths every edge.
_SCALE = 2
Point = tuple[float, float]

#: Right half of each outline from the top of the centre line to its bottom: x from the centre, y from the top.
_HALVES: dict[str, Sequence[Point]] = {
    "dress": ((0, 0.20), (0.06, 0.14), (0.12, 0.12), (0.15, 0.24), (0.12, 0.36), (0.11, 0.44), (0.20, 0.66), (0.27, 0.88), (0, 0.90)),
    "skirt": ((0, 0.22), (0.13, 0.22), (0.14, 0.28), (0.22, 0.52), (0.28, 0.80), (0, 0.83)),
    "shirt": ((0, 0.19), (0.06, 0.14), (0.14, 0.17), (0.30, 0.30), (0.34, 0.48), (0.27, 0.50), (0.20, 0.36), (0.19, 0.60), (0.20, 0.80), (0, 0.81)),
    "jumper": ((0, 0.20), (0.07, 0.16), (0.16, 0.19), (0.30, 0.34), (0.35, 0.66), (0.28, 0.68), (0.22, 0.44), (0.22, 0.76), (0, 0.78)),
    "jacket": ((0, 0.22), (0.05, 0.13), (0.15, 0.17), (0.29, 0.28), (0.35, 0.68), (0.27, 0.70), (0.22, 0.42), (0.23, 0.78), (0, 0.80)),
    "coat": ((0, 0.18), (0.06, 0.10), (0.15, 0.14), (0.28, 0.24), (0.33, 0.60), (0.25, 0.62), (0.21, 0.38), (0.22, 0.66), (0.26, 0.93), (0, 0.94)),
    "trousers": ((0, 0.12), (0.16, 0.12), (0.19, 0.30), (0.21, 0.60), (0.21, 0.92), (0.08, 0.93), (0.05, 0.60), (0, 0.36)),
    "bag": ((0, 0.40), (0.24, 0.40), (0.28, 0.46), (0.30, 0.66), (0.27, 0.80), (0, 0.81)),
    "hat": ((0, 0.30), (0.12, 0.31), (0.19, 0.40), (0.20, 0.52), (0.36, 0.58), (0.34, 0.63), (0.16, 0.66), (0, 0.67)),
    "scarf": ((0, 0.27), (0.30, 0.27), (0.35, 0.31), (0.12, 0.70), (0.03, 0.80), (0, 0.81)),
}  # fmt: skip
#: A shoe has no symmetry: its whole outline, seen from the side.
_SHOE: Sequence[Point] = (
    (0.20, 0.42), (0.32, 0.40), (0.40, 0.46), (0.54, 0.56), (0.74, 0.60), (0.84, 0.66), (0.84, 0.71), (0.50, 0.73),
    (0.30, 0.72), (0.28, 0.76), (0.18, 0.76), (0.18, 0.60),
)  # fmt: skip


def _smooth(points: Sequence[Point], steps: int = 10) -> list[Point]:
    """A closed Catmull-Rom spline through the points."""
    smooth: list[Point] = []
    count = len(points)
    for index in range(count):
        before, start, end, after = (points[(index + offset) % count] for offset in (-1, 0, 1, 2))
        for step in range(steps):
            t = step / steps
            smooth.append(
                (
                    _spline(before[0], start[0], end[0], after[0], t),
                    _spline(before[1], start[1], end[1], after[1], t),
                )
            )
    return smooth


def _spline(before: float, start: float, end: float, after: float, t: float) -> float:
    return 0.5 * (
        2 * start
        + (end - before) * t
        + (2 * before - 5 * start + 4 * end - after) * t**2
        + (3 * start - before - 3 * end + after) * t**3
    )


def _outline(silhouette: str, size: tuple[int, int]) -> list[Point]:
    if silhouette == "shoe":
        whole: Sequence[Point] = _SHOE
    else:
        half = _HALVES[silhouette]
        right = [(0.5 + x, y) for x, y in half]
        left = [(0.5 - x, y) for x, y in reversed(half) if x]
        whole = [*right, *left]
    return [(x * size[0], y * size[1]) for x, y in _smooth(whole)]


def _lighter(color: tuple[int, int, int], by: float) -> tuple[int, int, int]:
    target = 255 if by > 0 else 0
    red, green, blue = (round(part + (target - part) * abs(by)) for part in color)
    return red, green, blue


def _stripes(
    draw: ImageDraw.ImageDraw, size: tuple[int, int], ink: tuple[int, int, int], _: random.Random
) -> None:
    for y in range(0, size[1], 44):
        draw.rectangle((0, y, size[0], y + 16), fill=ink)


def _checks(
    draw: ImageDraw.ImageDraw, size: tuple[int, int], ink: tuple[int, int, int], _: random.Random
) -> None:
    for y in range(0, size[1], 72):
        draw.rectangle((0, y, size[0], y + 18), fill=ink)
    for x in range(0, size[0], 72):
        draw.rectangle((x, 0, x + 18, size[1]), fill=ink)


def _dots(
    draw: ImageDraw.ImageDraw, size: tuple[int, int], ink: tuple[int, int, int], _: random.Random
) -> None:
    for row, y in enumerate(range(0, size[1], 46)):
        for x in range(23 * (row % 2), size[0], 46):
            draw.ellipse((x, y, x + 16, y + 16), fill=ink)


def _flowers(
    draw: ImageDraw.ImageDraw, size: tuple[int, int], ink: tuple[int, int, int], pick: random.Random
) -> None:
    for _ in range(160):
        x, y, radius = pick.randrange(size[0]), pick.randrange(size[1]), pick.randrange(10, 20)
        for petal in range(5):
            angle = petal * 2 * math.pi / 5
            cx, cy = x + radius * math.cos(angle), y + radius * math.sin(angle)
            draw.ellipse(
                (cx - radius * 0.6, cy - radius * 0.6, cx + radius * 0.6, cy + radius * 0.6), fill=ink
            )


_PATTERNS: dict[
    str, Callable[[ImageDraw.ImageDraw, tuple[int, int], tuple[int, int, int], random.Random], None]
] = {
    "striped": _stripes,
    "checked": _checks,
    "dotted": _dots,
    "floral": _flowers,
}


def _cloth(item: Item, size: tuple[int, int], pick: random.Random) -> Image.Image:
    color = COLORS[item.color]
    cloth = Image.new("RGB", size, color)
    if item.pattern in _PATTERNS:
        dark = sum(color) < 384  # noqa: PLR2004 - half of 3 * 255: the pattern stands out either way
        _PATTERNS[item.pattern](ImageDraw.Draw(cloth), size, _lighter(color, 0.45 if dark else -0.3), pick)
    light = Image.linear_gradient("L").resize(size).point(lambda value: 255 - value // 4)
    return ImageChops.multiply(cloth, Image.merge("RGB", (light, light, light)))


def draw(item: Item, view: int = 0) -> Image.Image:
    """Draw an item; `view` 1 is the same from closer."""
    pick = random.Random(item.number * 7 + view)  # noqa: S311 - a picture, no secret
    size = (WIDTH * _SCALE, HEIGHT * _SCALE)
    wall = _lighter(COLORS[pick.choice(tuple(COLORS))], 0.78)
    picture = Image.new("RGB", size, wall)
    floor = ImageDraw.Draw(picture)
    floor.rectangle((0, size[1] * 0.86, size[0], size[1]), fill=_lighter(wall, -0.08))
    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).polygon(_outline(item.silhouette, size), fill=255)
    shadow = mask.filter(ImageFilter.GaussianBlur(24)).point(lambda value: value // 4)
    picture.paste(_lighter(wall, -0.6), (18, 26), shadow)
    picture.paste(_cloth(item, size, pick), (0, 0), mask)
    _details(ImageDraw.Draw(picture), item, size)
    if view:
        picture = picture.crop((size[0] // 5, size[1] // 5, size[0] * 4 // 5, size[1] * 4 // 5))
    return picture.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


def _details(pen: ImageDraw.ImageDraw, item: Item, size: tuple[int, int]) -> None:
    ink = _lighter(COLORS[item.color], -0.45)
    middle, height = size[0] // 2, size[1]
    if item.silhouette in {"shirt", "jacket", "coat"}:
        pen.line((middle, height * 0.2, middle, height * 0.79), fill=ink, width=5)
        for step in range(5):
            y = height * (0.28 + step * 0.1)
            pen.ellipse((middle + 14, y, middle + 30, y + 16), fill=ink)
    elif item.silhouette == "trousers":
        pen.line((middle, height * 0.13, middle, height * 0.36), fill=ink, width=5)
    elif item.silhouette == "bag":
        pen.arc((middle - 200, height * 0.2, middle + 200, height * 0.62), 180, 360, fill=ink, width=26)
    elif item.silhouette == "hat":
        pen.line((middle - 245, height * 0.52, middle + 245, height * 0.52), fill=ink, width=38)
    elif item.silhouette == "shoe":
        pen.line((size[0] * 0.2, height * 0.73, size[0] * 0.83, height * 0.715), fill=ink, width=26)


def file_names(item: Item) -> list[str]:
    """The files of an item's pictures; every third item has a second one."""
    return [f"{item.number:03}-{view}.jpg" for view in range(1 if item.number % 3 else 2)]


def _draw_item(item: Item, folder: Path) -> None:
    for view, name in enumerate(file_names(item)):
        if not (folder / name).exists():
            draw(item, view).save(folder / name, quality=82)


def draw_all(items: Sequence[Item], folder: Path) -> None:
    """Draw what is not there yet, on two cores."""
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(2) as pool:
        for _ in pool.map(_draw_item, items, [folder] * len(items), chunksize=10):
            pass
