"""Celery as this product uses it: the broker, two queues, the tags that choose between them, the application.

Whoever submits steps and every worker build the same application. Celery is an extra: it is imported where
it is used, and where it is missing that is one sentence.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from blb_migration.defs.optional_internals import find_internal
from blb_migration.errors import ConfigurationError
from blb_migration.masking import mask_secrets
from blb_migration.settings.variables import CeleryVariables, name_variable

LOAD_QUEUE = "blb_load"  # steps that load a table: they read the source, and write the target
DEFAULT_QUEUE = "dagster"  # every other step; dagster-celery's own name
QUEUES = (LOAD_QUEUE, DEFAULT_QUEUE)
_QUEUE_TAG = "dagster-celery/queue"
_RANK_TAG = "dagster-celery/priority"
WORKER_COMMAND = "celery -A blb_migration.defs.celery_worker worker"  # and -Q with the queues it serves
_ANSWERS_WITHIN_SECONDS = 10
_FORGOTTEN_AFTER_SECONDS = 24 * 3600  # a result that no run has fetched, since the run is gone


def build_queue_tags(rank: int, queue: str = LOAD_QUEUE) -> Mapping[str, str]:
    """Build the tags of a step that waits in ``queue``; of those that are ready, a higher rank goes first."""
    return {_QUEUE_TAG: queue, _RANK_TAG: str(rank)}


def read_broker() -> str:
    """Read BLB_CELERY_BROKER. Raises ConfigurationError where it names neither Redis nor RabbitMQ."""
    secret = CeleryVariables.read().celery_broker
    url = "" if secret is None else secret.get_secret_value()
    if urlsplit(url).scheme in ("redis", "rediss", "amqp", "amqps"):
        return url
    raise ConfigurationError(
        f"environment variable {name_variable('celery_broker')}",
        found=f"it is {mask_secrets(url)!r}" if url else "it is not set, and BLB_EXECUTOR is celery",
        expected="the broker's URL, redis://:password@host:6379/0 or amqp://user:password@host:5672/vhost",
        next_act="Set it, the same for Dagster and all workers, or unset BLB_EXECUTOR",
    )


def find_celery_internal(module: str, name: str) -> Any:
    """Find ``name`` of ``internals/<module>``, which stands on dagster-celery. Raises ConfigurationError."""
    absent = [package for package in ("celery", "dagster_celery") if not importlib.util.find_spec(package)]
    if absent:
        raise ConfigurationError(
            f"environment variable {name_variable('executor')}",
            found=f"it is celery, and the package {absent[-1].replace('_', '-')} is not installed",
            expected="blb_migration with its extra celery",
            next_act="Run `pip install dagster-celery` in its environment, or unset BLB_EXECUTOR",
        )
    found = find_internal(module, name)
    if found is None:
        raise ConfigurationError(
            f"environment variable {name_variable('executor')}",
            found="it is celery, and this dagster-celery differs from those that were tested with it",
            expected="dagster-celery of the version that Dagster's own belongs to",
            next_act="Install the versions that requirements.lock names, or unset BLB_EXECUTOR",
        )
    return found


def build_application(broker_url: str) -> Any:
    """Build the Celery application of Dagster and of the workers. Nothing is contacted."""
    from celery import Celery
    from kombu.entity import Queue

    queue: Any = Queue
    backend = broker_url if broker_url.startswith("redis") else "rpc://"
    application = Celery("blb_migration", broker=broker_url, backend=backend)
    application.conf.update(
        task_queues=[queue(name, routing_key=name) for name in QUEUES],
        task_default_queue=DEFAULT_QUEUE,
        worker_enable_prefetch_count_reduction=False,  # internals/celery_intake.py decides what is taken
        broker_channel_error_retry=True,
        task_track_started=True,  # the first word of a worker, before it looks whether it is to begin
        worker_redirect_stdouts=False,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_connection_timeout=_ANSWERS_WITHIN_SECONDS,
        redis_socket_connect_timeout=_ANSWERS_WITHIN_SECONDS,
        redis_socket_timeout=_ANSWERS_WITHIN_SECONDS,
        result_expires=_FORGOTTEN_AFTER_SECONDS,
    )
    return application
