"""The live table and its status line, for a person at a terminal.

Only this package imports rich, which knows the widths of characters. The package draws
lines itself, because a row that changes eight times a second has no use for rich's
layouts and markup.
"""
