"""`python -m ace_nwb` is `ace-nwb`."""

from ace_nwb.cli import main

if __name__ == "__main__":
    main()
