"""
The tests of the library and those of the applications are one namespace, `tests`.

It is imported here, with the folders of all of them, before pytest imports the first of them by
its path and makes a `tests` that knows of one folder alone.
"""

import tests  # noqa: F401
