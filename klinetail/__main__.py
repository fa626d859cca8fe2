"""`python -m klinetail`."""

from klinetail.cli import main

main()
