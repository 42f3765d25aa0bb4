"""`python -m hotmetal.services.writer`."""

from __future__ import annotations

import sys

from freehold.errors import FreeholdError
from hotmetal.clients.hotmetal import DataLayer
from hotmetal.services.settings import HOST, SettingMissing
from hotmetal.services.web import serve
from hotmetal.services.writer.face import writer_app
from hotmetal.services.writer.settings import WriterSettings


def main() -> None:
    """Serve the writer until a signal."""
    try:
        settings = WriterSettings.from_environment()
        serve(writer_app(settings, DataLayer.connect()), host=HOST, port=settings.port)
    except (FreeholdError, SettingMissing) as error:
        sys.exit(f"writer: {error}")


if __name__ == "__main__":
    main()
