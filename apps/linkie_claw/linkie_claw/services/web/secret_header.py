"""
Routes that machines call: a secret in a header, compared in constant time.
"""

from __future__ import annotations

import hmac
import logging

from starlette.datastructures import Secret
from starlette.requests import Request

from linkie_claw.services.web.answers import Refused
from linkie_claw.services.web.log import say
from linkie_claw.services.web.state import address_of, web_of


def check_cron(request: Request) -> None:
    """
    Let the scheduler's caller pass: `Authorization: Bearer <CRON_SECRET>`.

    Raises:
        Refused: 500 when no secret is set, 401 when it is another, 429 after many of them.
    """
    said = request.headers.get("authorization", "")
    scheme, _, token = said.partition(" ")
    given = token.strip() if scheme.lower() == "bearer" else ""
    _check(request, given, web_of(request).settings.cron_secret, variable="CRON_SECRET")


def check_callback(request: Request) -> None:
    """
    Let the automation pass: `x-webhook-secret: <N8N_CALLBACK_SECRET>`.

    Raises:
        Refused: 500 when no secret is set, 401 when it is another, 429 after many of them.
    """
    given = request.headers.get("x-webhook-secret", "")
    expected = web_of(request).settings.callback_secret
    _check(request, given, expected, variable="N8N_CALLBACK_SECRET")


def _check(request: Request, given: str, expected: Secret, *, variable: str) -> None:
    if not expected:
        say(f"{variable} is not set", level=logging.ERROR)
        raise Refused(500, "Server misconfigured")
    # Bytes, because compare_digest refuses text beyond ASCII.
    if not hmac.compare_digest(given.encode(), str(expected).encode()):
        web_of(request).tries.take(address_of(request))
        raise Refused(401, "Unauthorized")
