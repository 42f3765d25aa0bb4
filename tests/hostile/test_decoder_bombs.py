"""A28: bodies that break decoders, sent to every method of real servers over HTTP and frames."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from freehold.wire.codec import JSON, MSGPACK
from freehold.wire.frames import frame
from tests.hostile.bombs import JSON_VALUES, MSGPACK_BODIES, MSGPACK_VALUES, bombs
from tests.hostile.leaks import broken_rules
from tests.hostile.served import Served

pytestmark = [pytest.mark.attack("A28"), pytest.mark.promise("P17")]

#: The larger ones go to a few methods only: what refuses them does not know the method.
_LARGE = 60_000


@pytest.mark.parametrize("codec", ["json", "msgpack"])
def test_every_method_refuses_every_bomb_with_a_code(served: Served, codec: str) -> None:
    """400 and `invalid_argument`; never `internal`, and nothing of the inside."""
    wrong = []
    decode = (JSON if codec == "json" else MSGPACK).decode
    with served.client() as client:
        for number, (method, names) in enumerate(served.methods().items()):
            for what, body in bombs(codec, names).items():
                if len(body) > _LARGE and number > 1:
                    continue
                client.send(served.call(method, body, codec))
                answer = client.answer()
                said = body.decode("latin-1")
                broken = broken_rules(decode(answer.body), said=said)
                if answer.status != 400 or broken:
                    wrong.append((method, what, answer.status, broken, answer.body[:300]))

    assert not wrong, "\n".join(map(str, wrong))
    assert served.is_well()


@pytest.mark.parametrize("what", sorted(MSGPACK_BODIES | MSGPACK_VALUES))
def test_frames_refuse_them_wherever_they_stand(served: Served, what: str) -> None:
    """As arguments, as options, as a whole frame, in a hello: told, or ended with a reason."""
    bomb = (MSGPACK_BODIES | MSGPACK_VALUES)[what]
    method = msgspec.msgpack.encode("DataLayer.x")
    calls = [
        b"\x94\x01" + method + bomb + b"\xc0",
        b"\x94\x01" + method + b"\xc0" + bomb,
        b"\x94" + bomb + method + b"\xc0\xc0",
        b"\x94\x01" + bomb + b"\xc0\xc0",
        bomb,
    ]
    for payload in calls:
        with served.frames() as client:
            client.send(frame(payload))
            assert broken_rules(told(client.message())) == []
    for hello in (b"", b"\x81\xa3key", b"\x81\xa8contract", b"\x81\xa6client"):
        with served.client(unix=True) as client:
            client.send(frame(b"\x93\xa5hello\x01" + hello + bomb))
            message = client.message()
            # A hello may say more than is known here, as a newer client's does.
            assert message[0] == "welcome" or broken_rules(told(message)) == []


def told(message: Any) -> Any:
    """The problem in a refusal of a call, or of the whole connection."""
    return message[2] if message[0] == "refused" else message[3]


def test_every_method_refuses_every_bomb_over_frames(served: Served) -> None:
    """As over HTTP; what is no MessagePack at all ends the connection."""
    wrong = []
    for method, names in served.methods().items():
        name = msgspec.msgpack.encode(method)
        for what, body in bombs("msgpack", names).items():
            if len(body) > _LARGE or what in ("every byte", "two bodies", "JSON"):
                continue
            with served.frames() as client:
                client.send(frame(b"\x94\x01" + name + body + b"\xc0"))
                message = client.message()
            problem = told(message)
            if broken_rules(problem) or problem["status"] != 400:
                wrong.append((method, what, problem))

    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("codec", ["json", "msgpack"])
def test_a_transaction_refuses_them_at_every_place(served: Served, codec: str) -> None:
    """As the list, as a call, as its name, its arguments, a reference or a part of one."""
    method, names = next(each for each in served.methods().items() if each[1])
    wrong = []
    decode = (JSON if codec == "json" else MSGPACK).decode
    with served.client() as client:
        for what, value in (JSON_VALUES if codec == "json" else MSGPACK_VALUES).items():
            for place, body in enumerate(lists(codec, method, names[0], value)):
                call = served.call("x.y", body, codec).replace(b"/rpc/x/y", b"/rpc", 1)
                client.send(call)
                answer = client.answer()
                broken = broken_rules(decode(answer.body), said=body.decode("latin-1"))
                if answer.status not in (400, 404) or broken:
                    wrong.append((what, place, answer.status, broken, answer.body[:300]))

    assert not wrong, "\n".join(map(str, wrong))


def lists(codec: str, method: str, argument: str, value: bytes) -> list[bytes]:
    """Transactions that hold the value at one place each."""
    name, arg = method.encode(), argument.encode()
    if codec == "json":
        call = b'[{"method":"' + name + b'","args":{}},{"method":"' + name + b'","args":'
        return [
            value,
            b"[" + value + b"]",
            b'[{"method":' + value + b"}]",
            b'[{"method":"' + name + b'","args":' + value + b"}]",
            b'[{"method":"' + name + b'","args":{"' + arg + b'":' + value + b"}}]",
            call + b'{"' + arg + b'":{"$result":' + value + b"}}}]",
            call + b'{"' + arg + b'":{"$result":[0,' + value + b"]}}}]",
        ]
    text = MSGPACK.encode
    of = b"\x82" + text("method") + text(method) + text("args")
    call = b"\x92" + of + b"\x80" + of + b"\x81" + text(argument) + b"\x81" + text("$result")
    return [
        value,
        b"\x91" + value,
        b"\x91\x81" + text("method") + value,
        b"\x91" + of + value,
        b"\x91" + of + b"\x81" + text(argument) + value,
        call + value,
        call + b"\x92\x00" + value,
    ]
