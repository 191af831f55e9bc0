"""`python -m scriptgen` is the `scriptgen` command."""

import sys

from scriptgen.cli import main

sys.exit(main())
