"""Binance's USDⓈ-M futures protocol, pure and both ways.

The exchange side decodes with it and the sim encodes with it, so that a mistake
shows against recorded frames and against foreign clients rather than cancelling.
"""
