"""``python -m agent`` is ``sessiond-agent``."""

import sys

from agent.main import main

sys.exit(main())
