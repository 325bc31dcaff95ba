"""The daemon behind `--detach`."""

import sys

from continuum.store.skystore.launching import daemon

if __name__ == "__main__":
    sys.exit(daemon(sys.argv[1:]))
