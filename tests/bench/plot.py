"""The plot: bars, as an SVG that needs nothing else, and is readable on white and on black."""
from xml.sax.saxutils import escape

WIDTH, LABEL, NUMBER = 760, 250, 90
BAR, GAP, HEAD, MARGIN = 16, 6, 34, 16

# Browsers, and what hosts' pages do with pictures, know which of the two the reader has.
STYLE = """
text { font: 12px sans-serif; fill: #24292f }
.title { font-weight: bold }
.peer { fill: #8c959f }
.ours { fill: #0969da }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .peer { fill: #6e7681 } .ours { fill: #4493f8 } }
"""


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def panel(one, top):
    """Its elements, from top on, and where they end."""
    yield f'<text class="title" x="{MARGIN}" y="{top + 18}">{escape(one.title)}</text>'
    most = max(value for _, value, _ in one.bars)
    for i, (label, value, ours) in enumerate(one.bars):
        y = top + HEAD + i * (BAR + GAP)
        length = max(value, 0) / most * (WIDTH - LABEL - NUMBER - MARGIN) if most > 0 else 0
        yield f'<text x="{LABEL - 8}" y="{y + 12}" text-anchor="end">{escape(label)}</text>'
        yield f'<rect class="{"ours" if ours else "peer"}" x="{LABEL}" y="{y}" width="{max(length, 1):.1f}" height="{BAR}" rx="2"/>'
        yield f'<text x="{LABEL + max(length, 1) + 6:.1f}" y="{y + 12}">{number(value)} {escape(one.unit)}</text>'


def height(one):
    return HEAD + len(one.bars) * (BAR + GAP) + MARGIN


def svg(panels, caption):
    panels = [one for one in panels if one.bars]
    total = sum(map(height, panels)) + 2 * MARGIN
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {total}" width="{WIDTH}" height="{total}" role="img">', f"<title>{escape(caption)}</title>", f"<style>{STYLE}</style>"]
    top = MARGIN / 2
    for one in panels:
        lines += panel(one, top)
        top += height(one)
    lines += [f'<text x="{MARGIN}" y="{total - MARGIN / 2}">{escape(caption)}</text>', "</svg>"]
    return "\n".join(lines) + "\n"
