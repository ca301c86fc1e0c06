"""`python -m jaxml.cli` is `jaxml`."""

from jaxml.cli import main

if __name__ == "__main__":
    main()
