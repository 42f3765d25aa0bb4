"""
The agents of the running service: at most one for each session, each with one turn at a time.

What an agent knows is in the store, so it costs nothing while nobody talks to it, and a
restart forgets nothing: a turn that was running then is marked, and can be repeated.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import uuid
from collections.abc import Coroutine
from typing import Any, Final

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter
from pydantic_ai.models import Model
from pydantic_ai.usage import UsageLimits

from hotmetal.clients.hotmetal import DataLayer, Session
from hotmetal.services.web import ApiError
from hotmetal.services.writer.agent.memory import Memory
from hotmetal.services.writer.agent.model import ModelFailed, as_failure, model_settings
from hotmetal.services.writer.agent.offline import offline_writer
from hotmetal.services.writer.agent.phases import Phase
from hotmetal.services.writer.agent.search import Search
from hotmetal.services.writer.agent.store import AgentRow, Store, Turn, now_s
from hotmetal.services.writer.agent.turn import Event, Live
from hotmetal.services.writer.agent.writing import Hands, make_agent, tell_events
from hotmetal.services.writer.settings import WriterSettings

LOG: Final = logging.getLogger("hotmetal.writer")
_REQUESTS_MAX: Final = 20
#: A model is reminded of so many turns; notes and draft it has besides, however old.
_TURNS_MAX: Final = 30
_STOPPED: Final = "the writer was stopped in the middle of this"


@dataclasses.dataclass(kw_only=True)
class Agents:
    """
    All agents of this process.

    Args:
        settings: The service's.
        store: Their local store.
        dal: The data layer.
        model: The language model; None for the offline writer.
        search: The web search, if there is one.
    """

    settings: WriterSettings
    store: Store
    dal: DataLayer
    model: Model | None
    search: Search | None = None

    def __post_init__(self) -> None:
        self._agent: Agent[Hands, str] = make_agent(searches=self.search is not None)
        self._live: dict[str, Live] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run it beside the requests; it is stopped when the service stops."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def stop(self) -> None:
        """Stop everything that runs; what was in the middle is marked or resumed next time."""
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # Sessions

    async def session(self, session_id: str) -> Session:
        """The session as the data layer has it, with its agent started; `ApiError` 404."""
        session = await self.dal.get_session_by_id(session_id)
        if session is None:
            raise ApiError(404, "Session not found")
        self._start(session)
        return session

    async def row(self, session_id: str) -> AgentRow:
        """Where the agent stands; the data layer is asked only the first time."""
        row = self.store.agent(session_id)
        return self._start(await self.session(session_id)) if row is None else row

    def _start(self, session: Session) -> AgentRow:
        """The agent's row, made from what the session says when it is not there yet."""
        phase: Phase = "idle" if session.cms_post_id is None else "published"
        row = AgentRow(
            session_id=session.id,
            phase=phase,
            title=session.title,
            cms_post_id=session.cms_post_id,
            created_at=now_s(),
        )
        self.store.start_agent(row)
        return self.store.agent(session.id) or row

    def is_writing(self, session_id: str) -> bool:
        """Whether a turn is under way."""
        return session_id in self._live

    # The talk

    def live(self, session_id: str) -> Live | None:
        """The turn under way, if there is one."""
        return self._live.get(session_id)

    def begin_turn(self, session: Session, message: str, *, turn_id: str | None = None) -> Live:
        """
        Take a message; the turn runs on whether or not somebody follows it.

        Args:
            session: The session as it is now.
            message: What was said.
            turn_id: A turn that failed before and is repeated, or the id that a new one gets.

        Raises:
            ApiError: 429 while another turn is under way.
        """
        if (other := self._live.get(session.id)) is not None:
            raise ApiError(
                429,
                "The agent is still answering another message of this session",
                code="turn_under_way",
                turnId=other.turn_id,
            )
        live = Live(turn_id or str(uuid.uuid4()))
        memory = self._memory(session, but=live.turn_id)
        history = self._history(session.id)
        self.store.begin_turn(session.id, live.turn_id, message)
        if memory.phase == "idle":
            self.store.set_phase(session.id, "interviewing")
            live.tell("phase", phase="interviewing")
        self._live[session.id] = live
        hands = Hands(session.id, live, memory, self.store, self.dal, self.search)
        self.spawn(self._run_turn(hands, message, history))
        return live

    async def _run_turn(self, hands: Hands, message: str, history: list[ModelMessage]) -> None:
        live = hands.live
        try:
            event = await self._answered(hands, message, history)
        except asyncio.CancelledError:
            self.store.end_turn(live.turn_id, "interrupted", error=_STOPPED)
            event = Event("error", {"error": _STOPPED, "code": "interrupted", "status": 503})
            raise
        except ModelFailed as failed:
            LOG.warning("session %s: %s", hands.session_id, failed)
            self.store.end_turn(live.turn_id, "failed", error=str(failed))
            event = Event("error", {"error": str(failed), "code": f"model_{failed.kind}",
                                    "status": 502})  # fmt: skip
        except Exception:
            LOG.exception("a turn of session %s broke", hands.session_id)
            self.store.end_turn(live.turn_id, "failed", error="internal error")
            event = Event("error", {"error": "internal error", "code": "internal", "status": 500})
        finally:
            # Before the last word is told: whoever hears it may talk again at once.
            del self._live[hands.session_id]
            live.tell(event.kind, turnId=live.turn_id, **event.fields)

    async def _answered(self, hands: Hands, message: str, history: list[ModelMessage]) -> Event:
        """The answer, stored; raises ModelFailed."""
        try:
            # The model's own limit is for one request; a turn has several of them.
            async with asyncio.timeout(self.settings.model_timeout_s * 5):
                result = await self._agent.run(
                    message,
                    model=self.model or offline_writer(hands.memory),
                    deps=hands,
                    message_history=history,
                    model_settings=model_settings(self.settings),
                    usage_limits=UsageLimits(request_limit=_REQUESTS_MAX),
                    event_stream_handler=tell_events,
                )
        except Exception as error:
            if (failure := as_failure(error)) is None:
                raise
            LOG.info("the model's error was %r", error)
            raise failure from error
        name = "offline-writer" if self.model is None else self.model.model_name
        self.store.end_turn(
            hands.live.turn_id,
            "done",
            answer=result.output,
            model=name,
            history=ModelMessagesTypeAdapter.dump_json(result.new_messages()),
        )
        turn = self.store.turn(hands.live.turn_id)
        return Event("done", {} if turn is None else self.answer_of(turn))

    def answer_of(self, turn: Turn) -> dict[str, Any]:
        """What is answered to a message that was dealt with."""
        row = self.store.agent(turn.session_id)
        draft = self.store.current_draft(turn.session_id)
        return {
            "text": turn.answer,
            "finishReason": "stop",
            "model": turn.model,
            "phase": None if row is None else row.phase,
            "draftVersion": None if draft is None else draft.version,
        }

    def _memory(self, session: Session, *, but: str) -> Memory:
        row = self._start(session)
        turns = self.store.turns(session.id)
        return Memory(
            title=session.title or row.title,
            phase=row.phase,
            seed_context=session.seed_context,
            said=[turn.message for turn in turns if turn.state == "done" and turn.id != but],
            notes=self.store.notes(session.id),
            draft=self.store.current_draft(session.id),
        )

    def _history(self, session_id: str) -> list[ModelMessage]:
        """The model's view of the talk: the last turns that came to an end."""
        messages: list[ModelMessage] = []
        done = [turn for turn in self.store.turns(session_id) if turn.state == "done"]
        for turn in done[-_TURNS_MAX:]:
            messages += ModelMessagesTypeAdapter.validate_json(turn.history or b"[]")
        return messages
