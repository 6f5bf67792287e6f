"""What a measure found, and how it is told: a table for people, JSON for machines."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from .rounds import Rounds


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One measured figure beside its baseline and its target.

    `ratio` is ours by the baseline's: the median of the rounds' own ratios, None where the target is about
    our figure alone. `met` is None where a figure has no target and is shown for comparison. The events lost
    and duplicated are counted over all rounds, ours and the baseline's; None where nobody can count them.
    `others` is how many cores others used meanwhile. `rounds` holds the raw figures, by contender.
    """

    measure: str
    unit: str
    ours: float
    baseline_name: str = ""
    baseline: float | None = None
    ratio: float | None = None
    target: str = ""
    met: bool | None = None
    seconds: float = 0.0
    lost: int | None = None
    duplicated: int | None = None
    baseline_lost: int | None = None
    baseline_duplicated: int | None = None
    others: float | None = None
    rounds: Mapping[str, Sequence[float]] = field(default_factory=dict)
    notes: str = ""


def beside(rounds: Rounds, ours: str, baseline: str, *, least: float | None = None, **told: Any) -> Verdict:
    """Judge one contender of some rounds beside another; with `least` the ratio has that target.

    `told` are further fields of the verdict: what was measured, its unit, notes.
    """
    ratio = rounds.ratio(ours, baseline)
    return Verdict(
        ours=rounds.median(ours),
        baseline_name=baseline,
        baseline=rounds.median(baseline),
        ratio=ratio,
        target="" if least is None else f"≥ {least:g} x",
        met=None if least is None else ratio >= least,
        seconds=rounds.seconds,
        lost=rounds.lost(ours),
        duplicated=rounds.duplicated(ours),
        baseline_lost=rounds.lost(baseline),
        baseline_duplicated=rounds.duplicated(baseline),
        rounds=rounds.raw,
        **told,
    )


_HEADINGS = (
    "measure",
    "ours",
    "baseline",
    "",
    "ratio",
    "target",
    "met?",
    "lost/dup",
    "baseline's",
    "s",
    "others",
)


def _figure(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"  # noqa: PLR2004 - four digits are read well


def _counted(lost: int | None, duplicated: int | None) -> str:
    if lost is None and duplicated is None:
        return ""
    return "/".join("?" if count is None else f"{count}" for count in (lost, duplicated))


def _cells(verdict: Verdict) -> tuple[str, ...]:
    return (
        verdict.measure,
        f"{_figure(verdict.ours)} {verdict.unit}".strip(),
        _figure(verdict.baseline),
        verdict.baseline_name,
        "" if verdict.ratio is None else f"{verdict.ratio:.2f}",
        verdict.target,
        {True: "yes", False: "NO", None: ""}[verdict.met],
        _counted(verdict.lost, verdict.duplicated),
        _counted(verdict.baseline_lost, verdict.baseline_duplicated),
        f"{verdict.seconds:.0f}",
        "" if verdict.others is None else f"{verdict.others:.2f}",
    )


def table(verdicts: Sequence[Verdict]) -> str:
    """Lay the verdicts out in columns for a terminal."""
    rows = [_HEADINGS, *(_cells(verdict) for verdict in verdicts)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "-" * max(len(line) for line in lines))
    return "\n".join(lines)


def summary(verdicts: Sequence[Verdict]) -> str:
    """Say in a line or two how many targets are met, and which are not."""
    judged = [verdict for verdict in verdicts if verdict.met is not None]
    missed = [f"{verdict.measure} ({verdict.target})" for verdict in judged if not verdict.met]
    line = f"{len(judged) - len(missed)} of {len(judged)} targets met."
    return line if not missed else f"{line}\nNOT met: {'; '.join(missed)}."


def as_json(verdicts: Sequence[Verdict], circumstances: Mapping[str, Any]) -> str:
    """Write everything, the raw rounds included."""
    content = {"circumstances": dict(circumstances), "verdicts": [asdict(verdict) for verdict in verdicts]}
    return json.dumps(content, indent=2) + "\n"


def as_markdown(verdicts: Sequence[Verdict], circumstances: Mapping[str, Any]) -> str:
    """Write the page that is kept in `docs/`."""
    rows = [_HEADINGS, tuple("---" for _ in _HEADINGS), *(_cells(verdict) for verdict in verdicts)]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    facts = [f"* {name}: {value}" for name, value in circumstances.items()]
    notes = [f"* **{verdict.measure}**: {verdict.notes}" for verdict in verdicts if verdict.notes]
    return "\n".join([*facts, "", *lines, "", summary(verdicts), "", *notes]) + "\n"
