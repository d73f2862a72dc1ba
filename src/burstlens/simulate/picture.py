"""Plots as SVG that takes its colours for text and lines from the page around it. Needs the extra `simulate`."""

import io
import re
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

from burstlens.errors import Misconfigured

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
"""Okabe and Ito's for colour-blind readers, without the yellow, which white paper swallows, and with grey for black,
which a dark page does."""
DASHES = ("-", "--", ":", "-.")
MARKERS = "osD^vP*X<>"

INK, FAINT = "#010203", "#040506"
"""Stand for the page's colour of text, and for a faint one: no plot has these two by chance."""

STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "burstlens",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.5,
}


def require_simulate_extra(command: str) -> None:
    """Find out before a long run whether it can be completed.

    Raises:
        Misconfigured: a package of the extra is not installed.
    """
    for package in ("scipy", "clarabel", "matplotlib"):
        if find_spec(package) is None:
            message = f"{command} needs {package}: pip install 'burstlens[simulate]'"
            raise Misconfigured(message)


def svg(draw: Callable[["Figure"], None], width: float = 9.6, height: float = 3.2) -> str:
    """What `draw` draws on a figure of so many inches, as an `<svg>` element for an HTML page."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(cast("Any", STYLE)):
        figure = Figure(figsize=(width, height), layout="constrained")
        figure.patch.set_alpha(0)
        draw(figure)
        for axes in figure.axes:
            axes.patch.set_alpha(0)
        whole = io.StringIO()
        figure.savefig(whole, format="svg")
    return _inline(whole.getvalue())


def _inline(document: str) -> str:
    """The element alone, without what only a file of its own needs, in the colours of the page."""
    element = document[document.index("<svg") :]
    element = re.sub(r"\s*<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    element = re.sub(r'<svg[^>]*viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" aria-hidden="true">', element, count=1)
    return element.replace("xlink:href", "href").replace(INK, "currentColor").replace(FAINT, "var(--faint)")


def look(index: int) -> tuple[str, str]:
    """Colour and dashes of the curve with this index; no two of the first 28 look the same."""
    return PALETTE[index % len(PALETTE)], DASHES[index // len(PALETTE) % len(DASHES)]
