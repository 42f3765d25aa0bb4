"""
An application of two methods to flood, and who floods it: run as a script, it keeps so many
mutations on their way until it is killed.

    python -m tests.faults.flooding PORT KEY CONNECTIONS IN_FLIGHT
"""

from __future__ import annotations

import sys
import threading
from typing import Annotated

from freehold import App, Database, Entrypoint, PrimaryKey, Record, Writer
from tests.server.toy import Client, dial_frames


class Drop(Record, table="drops"):
    """One of many."""

    id: Annotated[str, PrimaryKey()]
    key_id: str


def drip(db: Writer) -> str:
    """One more."""
    return db.insert(Drop(id=db.new_id(), key_id=db.caller.key_id)).id


class Sea(Entrypoint):
    """Where it all goes."""

    drip = drip


app = App("sea", databases=[Database("main", [Drop])], entrypoints=[Sea])


def flood(client: Client, in_flight: int) -> None:
    """For ever: as soon as one is answered, the next one is sent."""
    client.message()
    client.say(*([number, "Sea.drip", None, None] for number in range(1, in_flight + 1)))
    while True:
        number = client.message()[0]
        client.say([number, "Sea.drip", None, None])


def main() -> None:
    """Flood over several connections, and say when it has begun."""
    port, key, connections, in_flight = sys.argv[1:]
    threads = [
        threading.Thread(target=flood, args=(dial_frames(int(port), key), int(in_flight)))
        for _ in range(int(connections))
    ]
    for thread in threads:
        thread.start()
    sys.stdout.write("flooding\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
