"""`python -m hotmetal.services.scout`."""

from __future__ import annotations

import sys

from freehold.errors import FreeholdError
from hotmetal.services.scout.clock import Clock, WallClock
from hotmetal.services.scout.service import Scout
from hotmetal.services.scout.settings import scout_settings
from hotmetal.services.scout.store import FolderInUse
from hotmetal.services.settings import HOST, SettingMissing
from hotmetal.services.web import serve


def main(clock: Clock | None = None) -> int:
    """Serve until a signal; 2 when the scout cannot start."""
    try:
        settings = scout_settings()
        app = Scout(settings, clock or WallClock()).app()
    except (SettingMissing, FolderInUse, FreeholdError) as error:
        sys.stderr.write(f"scout: {error}\n")
        return 2
    serve(app, host=HOST, port=settings.port)
    return 0


if __name__ == "__main__":
    sys.exit(main())
