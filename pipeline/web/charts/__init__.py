"""The charts of the pages: plain functions from frozen dataclasses to SVG text.

Charts contain no colours, scripts or styles, so pages can forbid inline styles: classes name shapes, and
`static/charts.css` styles them for light and dark. All texts are escaped here; the caller passes links. The same input
gives the same bytes.
"""
