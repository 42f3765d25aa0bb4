"""
The interpreter of a page: reads blocks as JSON lines, runs them in one module, answers each.

A program of its own, so that a page sees nothing of the tests.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import traceback
import types


def main() -> None:
    """Run blocks until there are no more."""
    page = types.ModuleType("page")
    sys.modules["page"] = page
    sys.path[0] = os.getcwd()
    for line in sys.stdin:
        said = json.loads(line)
        os.environ.update(said["environ"])
        output = io.StringIO()
        is_well = True
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            try:
                exec(compile(said["text"], said["name"], "exec", dont_inherit=True), vars(page))
            except BaseException:
                is_well = False
                traceback.print_exc()
        sys.stdout.write(json.dumps({"ok": is_well, "output": output.getvalue()}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
