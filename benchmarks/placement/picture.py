"""The outcomes as a picture: how busy devices and cores are, over the number of cores."""

from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.placement.outcome import Outcome

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
"""One for each number of devices; they differ to the colour-blind, too (Okabe and Ito, 2008)."""
STYLES = ("-", "--", ":")
"""One for each number of workers that share a device."""
PANELS: tuple[tuple[str, Callable[[Outcome], float]], ...] = (
    ("devices work, share of the time", lambda one: one.device),
    ("all cores work, share of the time", lambda one: one.all_workers),
    ("time, of the least that any placement needs", lambda one: 1 / one.bound),
)


def draw(outcomes: Sequence[Outcome], path: Path) -> None:
    """Write a PNG."""
    figure = Figure(figsize=(13, 4.2), layout="constrained")
    devices, sharings = (sorted({value(one) for one in outcomes}) for value in (_devices, _sharing))
    for axes, (title, value) in zip(figure.subplots(1, len(PANELS)), PANELS, strict=True):
        for number, colour in zip(devices, COLOURS, strict=False):
            for sharing, style in zip(sharings, STYLES, strict=False):
                line = [one for one in outcomes if (one.devices, one.sharing) == (number, sharing)]
                label = f"{number} device{'s' * (number > 1)}, {sharing} worker{'s' * (sharing > 1)} each"
                axes.plot([one.cores for one in line], [value(one) for one in line], style, color=colour, label=label)
        axes.set(title=title, xlabel="cores", xscale="log", ylim=(0, None))
        cores = sorted({one.cores for one in outcomes})
        axes.set_xticks(cores, [str(count) for count in cores])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    axes.legend(fontsize="x-small")
    figure.savefig(path, dpi=110)


def _devices(one: Outcome) -> int:
    return one.devices


def _sharing(one: Outcome) -> int:
    return one.sharing
