"""The trials of `jaxml tune`, in this process or in several, until so many have ended."""

import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any

from jaxml.cli._tune_plan import Plan
from jaxml.cli._tune_study import counted, in_a_line, made, open_storage, quiet
from jaxml.cli._tune_trial import run_trial

Tell = Callable[[Any], None]  # what is called with each trial that has ended


class Terminated(KeyboardInterrupt):
    """SIGTERM: the trial at hand is given up, as by Ctrl-C."""


class WorkerError(RuntimeError):
    """The workers cannot go on."""


def on_sigterm() -> None:
    """From here on SIGTERM ends the process as Ctrl-C does, with the trial at hand marked as given up."""

    def leave(number: int, frame: Any) -> None:
        del number, frame
        raise Terminated

    signal.signal(signal.SIGTERM, leave)


def run_here(study: Any, plan: Plan, trials: int, tell: Tell) -> None:
    """One after the other, until the study has `trials`."""
    while counted(study) < trials:
        tell(run_trial(study, plan, made(study)))


@dataclass
class _Worker:
    process: Any
    connection: Connection
    has_ticket: bool = False
    trial: int | None = None


def run_workers(study: Any, plan: Plan, trials: int, tell: Tell, *, count: int, where: str) -> None:
    """In `count` processes, which share nothing but the storage. This one hands out a ticket for every trial, so that
    there are as many as asked for; of a worker that is killed the trial is marked as failed, and another one made.

    Errors: `WorkerError` where they die again and again, or one fails; what it said.
    """
    context = get_context("spawn")
    workers: list[_Worker] = []
    deaths, ticket = 0, -1

    def start() -> None:
        ours, its = context.Pipe()
        process = context.Process(target=_work, args=(its, where, study.study_name, study.pruner, plan), daemon=True)
        process.start()
        its.close()
        workers.append(_Worker(process, ours))

    try:
        for _ in range(min(count, max(trials - counted(study), 0))):
            start()
        while workers:
            for connection in wait([worker.connection for worker in workers]):
                worker = next(w for w in workers if w.connection is connection)
                try:
                    kind, value = worker.connection.recv()
                except (EOFError, OSError):
                    workers.remove(worker)
                    deaths += _died(study, worker)
                    if deaths > 2 * count:
                        raise WorkerError(
                            f"workers died {deaths} times, the last one with exit status {worker.process.exitcode}: "
                            f"fewer of them, or a smaller --batch-size, take less memory"
                        ) from None
                    if worker.has_ticket:
                        start()
                    continue
                if kind == "error":
                    raise WorkerError(value)
                if kind == "began":
                    worker.trial = value
                elif kind == "ended":
                    worker.has_ticket, worker.trial = False, None
                    tell(value)
                else:  # asks for a ticket
                    given = sum(w.has_ticket for w in workers)
                    worker.has_ticket = counted(study) + given < trials
                    ticket = max(ticket + 1, made(study))
                    worker.connection.send(ticket if worker.has_ticket else None)
    finally:
        for worker in workers:
            if worker.process.is_alive():
                worker.process.terminate()
        for worker in workers:
            worker.process.join(10)


def _died(study: Any, worker: _Worker) -> bool:
    """Whether it was killed, and did not leave: then its trial is failed, that nobody waits for it."""
    import optuna

    worker.process.join(10)
    if worker.trial is not None:
        with suppress(ValueError):  # it had ended
            study.tell(worker.trial, state=optuna.trial.TrialState.FAIL)
    return worker.process.exitcode != 0


def _work(connection: Connection, where: str, name: str, pruner: Any, plan: Plan) -> None:
    """A worker: trials, as long as there are tickets."""
    import optuna

    on_sigterm()
    try:
        with quiet():
            study = optuna.load_study(study_name=name, storage=open_storage(where), pruner=pruner)
            while True:
                connection.send(("next", None))
                ticket = connection.recv()
                if ticket is None:
                    return
                trial = run_trial(study, plan, ticket, lambda number: connection.send(("began", number)))
                connection.send(("ended", trial))
    except (KeyboardInterrupt, EOFError, BrokenPipeError):  # the command has ended
        return
    except optuna.exceptions.OptunaError as error:
        connection.send(("error", f"{where}: {in_a_line(error)}"))
    except Exception as error:
        connection.send(("error", f"{type(error).__name__}: {error}"))
