"""A page as one HTML text: style and scripts stand in it, nothing else is ever loaded."""

from html import escape
from importlib.resources import files
from secrets import token_urlsafe

_STATIC = files("ace_nwb.apps") / "static"
_SCRIPTS = {
    "curate": (
        "talk.js",
        "field.js",
        "chart.js",
        "filter.js",
        "list.js",
        "decisions.js",
        "clip.js",
        "outlines.js",
        "stages.js",
        "curate.js",
    ),
    "crop": ("talk.js", "field.js", "crop.js"),
    "tune": ("talk.js", "field.js", "tune.js"),
}


def build_page(page: str, title: str) -> tuple[str, str]:
    """Return the HTML of a page and its content security policy.

    Parameters
    ----------
    page
        "curate", "crop" or "tune".
    title
        Title of the browser tab.
    """
    nonce = token_urlsafe(16)
    script = "\n".join(_read(name) for name in _SCRIPTS[page])
    html = _read(f"{page}.html")
    parts = {
        "TITLE": escape(title),
        "STYLE": f'<style nonce="{nonce}">\n{_read("style.css")}</style>',
        "SCRIPT": f'<script type="module" nonce="{nonce}">\n{script}</script>',
    }
    for mark, content in parts.items():
        html = html.replace(f"<!--{mark}-->", content)
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
        "connect-src 'self'; img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    return html, policy


def _read(name: str) -> str:
    return (_STATIC / name).read_text(encoding="utf-8")
