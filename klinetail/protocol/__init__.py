"""Binance's USDⓈ-M futures protocol, pure and both ways.

The exchange side decodes with this package and the sim encodes with the same package.
A mistake therefore shows against recorded frames and against foreign clients, rather
than cancelling.
"""
