"""`integration-hub run` under a profiler that counts CPU time of its main thread, not waiting.

    python benchmarks/profiled.py FILE

Writes FILE when it ends. It is slow: its figures are not to be quoted.
"""

from __future__ import annotations

import cProfile
import sys
import time

from integration_hub.__main__ import main

profiler = cProfile.Profile(time.thread_time)
profiler.enable()
try:
    main(["run"], standalone_mode=False)
finally:
    profiler.disable()
    profiler.dump_stats(sys.argv[1])
