"""`python -m hotmetal.services.publisher`."""

from __future__ import annotations

import sys

from freehold.errors import FreeholdError
from hotmetal.clients.hotmetal import DataLayer
from hotmetal.services.publisher.face import publisher_app
from hotmetal.services.publisher.settings import PublisherSettings
from hotmetal.services.settings import HOST, SettingMissing
from hotmetal.services.web import serve


def main() -> None:
    """Serve the publisher until a signal."""
    try:
        settings = PublisherSettings.from_environment()
        serve(publisher_app(settings, DataLayer.connect()), host=HOST, port=settings.port)
    except (FreeholdError, SettingMissing) as error:
        sys.exit(f"publisher: {error}")


if __name__ == "__main__":
    main()
