"""What a person sees: the live table and its status line.

The only room that imports rich, and it is imported only when a table is shown.
"""
