"""Plots as inline SVG: a few lines, bars and dots, coloured by the style sheet of the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH, HEIGHT = 420, 260
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 14, 40

Point = tuple[float, float]
Ticks = Sequence[tuple[float, str]]

UNIT_TICKS = [(n / 5, f"{n / 5:.1f}") for n in range(6)]


@dataclass(frozen=True, slots=True)
class Line:
    """One curve with its name in the legend; points as x and y, both 0 to 1."""

    name: str
    points: Sequence[Point]
    dots: bool = True


@dataclass(frozen=True, slots=True)
class Axes:
    """Ticks as place (0 to 1) and label, and what the axes are."""

    x_name: str
    y_name: str
    x_ticks: Ticks
    y_ticks: Ticks


def line_chart(title: str, lines: Sequence[Line], axes: Axes, diagonal: bool = False) -> Markup:
    """Curves over a grid, with a legend where there are several."""
    parts = [_grid(axes)]
    if diagonal:
        parts.append(_path([(0, 0), (1, 1)], "diagonal"))
    for number, line in enumerate(lines, start=1):
        parts.append(_path(line.points, f"line c{number}"))
        if line.dots:
            parts += [_dot(point, number, line.name) for point in line.points]
    chart = _svg(title, HEIGHT, parts)
    return chart + (_legend([line.name for line in lines]) if len(lines) > 1 else Markup(""))


def range_bars(title: str, rows: Sequence[tuple[str, float, float]], unit: str) -> Markup:
    """For each row a bar to the first value and a whisker to the second, both labelled."""
    top = max((high for _, _, high in rows), default=1) or 1
    height, span = 30 * len(rows) + 12, WIDTH - 190
    parts = []
    for number, (name, low, high) in enumerate(rows):
        y = 10 + 30 * number
        end, far = (70 + span * value / top for value in (low, high))
        parts.append(
            Markup(
                '<text class="label" x="64" y="{t}" text-anchor="end">{name}</text>'
                '<rect class="bar" x="70" y="{y}" width="{w:.1f}" height="16" rx="2"/>'
                '<path class="whisker" d="M{end:.1f} {m}H{far:.1f}M{far:.1f} {a}v8"/>'
                '<text class="value" x="{x:.1f}" y="{t}">{low:.0f} to {high:.0f} {unit}</text>'
            ).format(
                name=name, y=y, t=y + 12, w=max(1, end - 70), end=end, far=far, m=y + 8,
                a=y + 4, x=far + 7, low=low, high=high, unit=unit,
            )
        )  # fmt: skip
    return _svg(title, height, parts)


def interval_bar(low: float, value: float, high: float) -> Markup:
    """A value between 0 and 1 with its interval, as wide as its cell."""
    return Markup(
        '<svg class="interval" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" width="100" height="10"/>'
        '<rect class="bar" y="3" width="{v:.1f}" height="4"/>'
        '<rect class="span" x="{a:.1f}" y="1" width="{w:.1f}" height="8"/></svg>'
    ).format(v=100 * value, a=100 * low, w=max(0.6, 100 * (high - low)))


def _x(value: float) -> float:
    return LEFT + value * (WIDTH - LEFT - RIGHT)


def _y(value: float) -> float:
    return HEIGHT - BOTTOM - value * (HEIGHT - TOP - BOTTOM)


def _svg(title: str, height: int, parts: Sequence[Markup]) -> Markup:
    return Markup(
        '<svg class="plot" viewBox="0 0 {w} {h}" role="img" aria-label="{title}">{body}</svg>'
    ).format(w=WIDTH, h=height, title=title, body=Markup("").join(parts))


def _grid(axes: Axes) -> Markup:
    parts = []
    for place, label in axes.y_ticks:
        parts.append(
            Markup(
                '<path class="grid" d="M{a} {y:.1f}H{b}"/>'
                '<text class="tick" x="{t}" y="{l:.1f}" text-anchor="end">{label}</text>'
            ).format(a=LEFT, b=WIDTH - RIGHT, y=_y(place), t=LEFT - 6, l=_y(place) + 4, label=label)
        )
    for place, label in axes.x_ticks:
        parts.append(
            Markup(
                '<text class="tick" x="{x:.1f}" y="{y}" text-anchor="middle">{label}</text>'
            ).format(x=_x(place), y=HEIGHT - BOTTOM + 15, label=label)
        )
    parts.append(
        Markup(
            '<text class="name" x="{x:.1f}" y="{y}" text-anchor="middle">{xn}</text>'
            '<text class="name" transform="translate(11 {m:.1f}) rotate(-90)" '
            'text-anchor="middle">{yn}</text>'
        ).format(x=_x(0.5), y=HEIGHT - 6, m=_y(0.5), xn=axes.x_name, yn=axes.y_name)
    )
    return Markup("").join(parts)


def _path(points: Sequence[Point], kind: str) -> Markup:
    steps = " ".join(f"{_x(x):.1f} {_y(y):.1f}" for x, y in points)
    return Markup('<path class="{kind}" d="M{steps}"/>').format(kind=kind, steps=steps)


def _dot(point: Point, number: int, name: str) -> Markup:
    return Markup(
        '<circle class="dot c{n}" cx="{x:.1f}" cy="{y:.1f}" r="3.5">'
        "<title>{name}: {value:.3f}</title></circle>"
    ).format(n=number, x=_x(point[0]), y=_y(point[1]), name=name, value=point[1])


def _legend(names: Sequence[str]) -> Markup:
    keys = Markup("").join(
        Markup('<span><i class="key c{n}"></i>{name}</span>').format(n=n, name=escape(name))
        for n, name in enumerate(names, start=1)
    )
    return Markup('<p class="legend">{}</p>').format(keys)
