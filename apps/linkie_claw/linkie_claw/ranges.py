"""How many rows a list may be asked for, and how many days back; refused at the edge."""

from __future__ import annotations

from typing import Annotated

import msgspec

#: As many rows as a page of the house has.
Rows = Annotated[int, msgspec.Meta(ge=1, le=1_000)]
#: Ten years.
Days = Annotated[int, msgspec.Meta(ge=1, le=3_660)]
#: Posts that one run of the scheduler takes.
Claims = Annotated[int, msgspec.Meta(ge=1, le=100)]
