"""
Peer: the two calls on Django and its ORM over psycopg 3, one file, one middleware.

Plain views on WSGI, each thread with a connection that stays open, as Django's documentation says
for speed: its asynchronous views hand each query to a thread, which on ASGI came to a third of
the calls per second, and its connection pool to nine tenths. `BENCH_DATABASE_…` say where.
"""

from __future__ import annotations

import json
import os
import time
import uuid

import django
from django.conf import settings

settings.configure(
    DEBUG=False,
    SECRET_KEY="benchmark",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    USE_TZ=True,
    LOGGING_CONFIG=None,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": os.environ["BENCH_DATABASE_NAME"],
            "HOST": os.environ["BENCH_DATABASE_HOST"],
            "USER": os.environ["BENCH_DATABASE_USER"],
            **(
                {"CONN_MAX_AGE": None}
                if os.environ.get("X")
                else {
                    "OPTIONS": {"pool": {"min_size": 4, "max_size": int(os.environ["BENCH_POOL"])}}
                }
            ),
        }
    },
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402 - settings come first
from django.db import models  # noqa: E402
from django.http import HttpRequest, JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402
from django.views.decorators.http import require_GET, require_POST  # noqa: E402


class User(models.Model):
    """A row of `users`."""

    id = models.TextField(primary_key=True)
    email = models.TextField(unique=True)
    name = models.TextField()
    created_at = models.BigIntegerField()
    updated_at = models.BigIntegerField()

    class Meta:
        """The table is there already."""

        app_label = "bench"
        db_table = "users"
        managed = False


def _as_dict(user: User) -> dict[str, str | int]:
    return {
        "id": user.id, "email": user.email, "name": user.name,
        "created_at": user.created_at, "updated_at": user.updated_at,
    }  # fmt: skip


def _new_user(body: bytes) -> User:
    data, now = json.loads(body), int(time.time())
    return User(
        id=str(uuid.uuid4()), email=str(data["email"]), name=str(data["name"]),
        created_at=now, updated_at=now,
    )  # fmt: skip


@require_GET
def get_user(_request: HttpRequest, user_id: str) -> JsonResponse:
    """Point read."""
    try:
        return JsonResponse(_as_dict(User.objects.get(pk=user_id)))
    except User.DoesNotExist:
        return JsonResponse({"detail": "There is no such user."}, status=404)


@require_POST
def create_user(request: HttpRequest) -> JsonResponse:
    """Durable insert."""
    user = _new_user(request.body)
    user.save(force_insert=True)
    return JsonResponse(_as_dict(user), status=201)


urlpatterns = [
    path("users/<str:user_id>", get_user),
    path("users", create_user),
]
application = get_wsgi_application()
