"""Maps: a distributed map's children as executions of their own, and workers that do not pile up."""

import uuid
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.job import JobPool
from moto.stepfunctions.parser.asl.eval.event.event_manager import EventHistoryContext, EventManager
from moto.stepfunctions.parser.asl.eval.program_state import ProgramEnded, ProgramError
from moto.stepfunctions.parser.asl.eval.states import ItemData, MapData
from moto.stepfunctions.parser.asl.eval.variable_store import VariableStore

from .failures import execution_failure, item_reader_failure
from .interpreter import publish_end, started_details
from .journal import Child
from .patching import replaces
from .session import Session, json_default

_MAP = "parser.asl.component.state.exec.state_map.iteration"

# What AWS runs at once when a distributed map sets no MaxConcurrency.
_MOST_CHILDREN_AT_ONCE = 10_000


@replaces(f"{_MAP}.distributed_iteration_component:DistributedIterationComponent._map_run", "(self, env, eval_input)")
def _map_run(session: Session, original: Any) -> Any:
    def map_run(self: Any, env: Any, eval_input: Any) -> None:
        items = env.stack.pop()
        record = eval_input.map_run_record
        record.item_counter.pending.count(len(items))
        record.execution_counter.pending.count(len(items))
        pool, number = JobPool(job_program=self._get_iteration_program(), job_inputs=items), len(items)
        # Each item is its child's, and goes with it.
        del items
        for _ in range(min(number, record.max_concurrency or _MOST_CHILDREN_AT_ONCE)):
            self._launch_worker(env=env, eval_input=eval_input, job_pool=pool)
        pool.await_jobs()
        failure = pool.get_worker_exception()
        if failure is not None:
            raise failure
        # A child that failed within the tolerance leaves nothing in the output.
        env.stack.append([job.job_output for job in pool.get_closed_jobs() if job.job_output is not _FAILED])

    return map_run


@replaces(
    "parser.asl.component.state.exec.state_map.item_reader.item_reader_decl:ItemReader._eval_body",
    "(self, env)",
)
def _read_items(session: Session, original: Any) -> Any:
    # The original lets what S3 refuses end the execution where no Retry and no Catch sees it.
    def read_items(self: Any, env: Any) -> None:
        try:
            original(self, env)
        except (ClientError, BotoCoreError) as error:
            raise item_reader_failure(env, str(error)) from error

    return read_items


_FAILED = object()


@replaces(
    f"{_MAP}.itemprocessor.distributed_item_processor_worker:DistributedItemProcessorWorker._eval_job",
    "(self, env, job)",
)
def _run_child(session: Session, original: Any) -> Any:
    def eval_job(self: Any, env: Any, job: Any) -> None:
        record = self._map_run_record
        for counter in (record.item_counter, record.execution_counter):
            counter.pending.offset(-1)
            counter.running.count()
            counter.total.count()
        outcome = "aborted"
        try:
            context = env.states.context_object.context_object_data
            context["Map"] = MapData(Item=ItemData(Index=job.job_index, Value=job.job_input))
            env.states.reset(job.job_input)
            env.stack.append(env.states.get_input())
            # With the parent's variables; the child itself sees none of them.
            self._eval_input(env_frame=env)
            child = _begin(session, record, env, job.job_index)
            session.journal.add(child)
            try:
                job.job_program.eval(env)
                publish_end(env)
            finally:
                outcome = _end(session, child, env)
            session.journal.close(child)
            job.job_output = child.output if outcome == "succeeded" else _FAILED
        except Exception as error:  # noqa: BLE001 - not the child's failure but the map's, as of its ItemSelector
            outcome = "failed"
            job.job_output = error
        finally:
            for counter in (record.item_counter, record.execution_counter):
                counter.running.offset(-1)
                getattr(counter, outcome).count()
                if outcome == "succeeded":
                    counter.results_written.count()
        if outcome == "failed" and job.job_output is _FAILED and _too_many_failed(record):
            job.job_output = execution_failure(
                self._env,
                StatesErrorNameType.StatesExceedToleratedFailureThreshold,
                "The specified tolerated failure threshold was exceeded",
            )

    return eval_job


def _too_many_failed(record: Any) -> bool:
    failed = record.item_counter.failed.get()
    total = record.item_counter.total.get() + record.item_counter.pending.get()
    percentage = record.tolerated_failure_percentage or 0
    return bool(failed > (record.tolerated_failure_count or 0) and failed * 100 > percentage * total)


def _begin(session: Session, record: Any, env: Any, index: int) -> Child:
    context = env.states.context_object.context_object_data
    parent = context["Execution"]
    label = record.map_run_arn.rpartition("/")[2].partition(":")[0]
    # Made from what is known, so that a run in virtual time gives its children the same names again.
    name = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{parent['Id']}/{label}/{index}"))
    machine_arn, _, _ = parent["Id"].rpartition(":")
    child = Child(
        arn=f"{machine_arn}/{label}:{name}",
        name=name,
        map_run_arn=record.map_run_arn,
        state_machine_arn=record.map_state_machine_arn,
        parent_arn=parent["Id"],
        index=index,
        start=session.datetime_now(),
        input=env.states.get_input(),
        history=EventManager(),
    )
    context["Execution"] = {
        "Id": child.arn,
        "Input": child.input,
        "Name": child.name,
        "RoleArn": parent["RoleArn"],
        "StartTime": json_default(child.start),
    }
    context["StateMachine"] = {"Id": child.state_machine_arn, "Name": context["StateMachine"]["Name"]}
    context.pop("Map", None)
    context.pop("State", None)
    env.variable_store = VariableStore()
    env.event_manager = child.history
    env.event_history_context = EventHistoryContext.of_program_start()
    env.event_manager.add_event(
        context=env.event_history_context,
        event_type="ExecutionStarted",
        event_details=started_details(child.input, parent["RoleArn"]),
        update_source_event_id=False,
    )
    return child


def _end(session: Session, child: Child, env: Any) -> str:
    state = env.program_state()
    child.stop = session.datetime_now()
    if isinstance(state, ProgramEnded):
        child.status, child.output = "SUCCEEDED", env.states.get_input()
        return "succeeded"
    if isinstance(state, ProgramError):
        error = state.error or {}
        child.status, child.error, child.cause = "FAILED", error.get("error"), error.get("cause")
        return "failed"
    child.status = "ABORTED"
    return "aborted"


@replaces(
    f"{_MAP}.itemprocessor.distributed_item_processor_worker:DistributedItemProcessorWorker._eval_pool",
    "(self, job, worker_frame)",
)
def _work_through_children(session: Session, original: Any) -> Any:
    return _work_through("delete_frame")


@replaces(f"{_MAP}.iteration_worker:IterationWorker._eval_pool", "(self, job, worker_frame)")
def _work_through_iterations(session: Session, original: Any) -> Any:
    return _work_through("close_frame")


def _work_through(close: str) -> Any:
    """Take one job after another in a loop; moto goes one call deeper for each, and hangs near 1,000."""

    def eval_pool(self: Any, job: Any, worker_frame: Any) -> None:
        while job is not None:
            frame = worker_frame.open_inner_frame()
            self._eval_job(env=frame, job=job)
            getattr(worker_frame, close)(frame)
            done, job = job, None
            if not isinstance(done.job_output, Exception) and not self.stopped():
                job = self._job_pool.next_job()
                if job is None and close == "close_frame":
                    worker_frame.event_history_context.source_event_id = (
                        frame.event_history_context.last_published_event_id
                    )
            if job is None:
                # Before the job: the map goes on as soon as its last job is closed.
                getattr(self._env, close)(worker_frame)
            self._job_pool.close_job(done)

    return eval_pool


@replaces(f"{_MAP}.job:JobPool.get_closed_jobs", "(self)")
def _closed_jobs(session: Session, original: Any) -> Any:
    # The original copies every output deeply.
    def get_closed_jobs(self: Any) -> list[Any]:
        return sorted(self._closed_jobs, key=lambda job: job.job_index)

    return get_closed_jobs
