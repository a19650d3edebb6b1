"""`python -m nasnb`: the command line."""

import sys

from nasnb.workflow.cli import main

if __name__ == "__main__":
    sys.exit(main())
