"""The supervisor's daemon, as `continuum up` starts it."""

import sys

from continuum.sites.embedded.starting import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
