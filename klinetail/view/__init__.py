"""What a person sees: the live table and its status line.

The only room that imports rich, for the widths of characters. It draws by itself: a
row that changes eight times a second has no use for layouts and markup.
"""
