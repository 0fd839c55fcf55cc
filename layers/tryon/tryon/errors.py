"""Every error that a combination or a run can end with: what it means, what to do, whether it was paid.

By the name that the state machine, the ledger, the notification and the tables show. The classes are where they are
raised; this is the one place that knows what they mean for a person and for a retry. `docs/errors.md` is written from
it: `python -m benchmarks.errors`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Paid(StrEnum):
    """Whether the service charges for what ended so."""

    NO = "no"
    YES = "yes"
    PERHAPS = "perhaps"


@dataclass(frozen=True)
class Meaning:
    """What an error says.

    `ends_task`: the task gave no picture and never will, so that a retry starts another one, which is paid.
    `proves_no_task`: only an answer to the submit itself raises it, so that no task exists.
    `forgotten`: the service does not know the task any more, so that nothing says when it ended.
    `ends_in_choice`: a Choice state behind the last poll ended the combination, not the poll's own failure.
    `keeps_slot`: the task may go on, so that its slot is not given back: the lease's end frees it.
    """

    means: str
    advice: str
    paid: Paid
    ends_task: bool = False
    proves_no_task: bool = False
    forgotten: bool = False
    ends_in_choice: bool = False
    keeps_slot: bool = False


_AGAIN = "Retry it: nothing was paid."
_FETCH_AGAIN = "Retry it: the picture is fetched again without a second payment."

COMBINATION: Mapping[str, Meaning] = MappingProxyType(
    {
        # The gate and the submit.
        "NotStartedError": Meaning(
            "the run ended, or its patience did, before this combination was submitted", _AGAIN, Paid.NO
        ),
        "RunHaltedError": Meaning(
            "the run was stopped by a refusal about keys, rights or money",
            "Mend what stopped the run, then retry: nothing was paid.",
            Paid.NO,
        ),
        "PictureChangedError": Meaning(
            "the picture that was checked is not there any more",
            "Put the picture back, or retry with --new-pictures: nothing was paid.",
            Paid.NO,
        ),
        "StorageUnavailableError": Meaning(
            "S3 gave or took nothing, again and again", "Retry it: what is paid is not paid again.", Paid.PERHAPS
        ),
        "SlotLostError": Meaning("its slot was given back before its submit", _AGAIN, Paid.NO),
        "GateError": Meaning("the gate's table took no change, again and again", _AGAIN, Paid.NO),
        "ServiceAccessError": Meaning(
            "the service refuses the keys, the signature, the clock or the rights",
            "Check the service's keys and rights, then retry: nothing was paid.",
            Paid.NO,
            proves_no_task=True,
        ),
        "RefusalUnconfirmedError": Meaning(
            "the service refused submits in a way that may concern keys, rights or money",
            "Check the account, then retry: nothing was paid.",
            Paid.NO,
            proves_no_task=True,
        ),
        "UnknownRefusalError": Meaning(
            "the service refused the submit with a code that is not documented",
            "Look at the code and at the account's balance, then retry: nothing was paid.",
            Paid.NO,
            proves_no_task=True,
        ),
        "ServiceBusyError": Meaning(
            "the service has no room for another task",
            "Retry it when the service has room: nothing was paid.",
            Paid.NO,
            proves_no_task=True,
        ),
        "ServiceThrottledError": Meaning(
            "the service takes no more requests a second",
            "Retry it later: nothing was paid.",
            Paid.NO,
            proves_no_task=True,
        ),
        "ServiceUnavailableError": Meaning(
            "the service has an internal error", "Retry it later: nothing was paid.", Paid.NO, proves_no_task=True
        ),
        "ServiceUnreachableError": Meaning(
            "the request did not leave: no connection to the service",
            "Retry it later: nothing was paid.",
            Paid.NO,
            proves_no_task=True,
        ),
        "SubmitUnansweredError": Meaning(
            "an earlier call of Submit may still run", "Retry it later: a task that exists is resumed.", Paid.PERHAPS
        ),
        "SubmitOutcomeUnknownError": Meaning(
            "the submit was sent and its answer never came: a task may exist",
            "A task may exist and be billed: a retry leaves this one out unless asked for.",
            Paid.PERHAPS,
        ),
        # The task.
        "InputRefusedError": Meaning(
            "the service refused an input picture",
            "Use another photograph: a retry with the same one is refused again.",
            Paid.PERHAPS,
            ends_task=True,
            proves_no_task=True,
        ),
        "OutputRefusedError": Meaning(
            "the service refused its own result",
            "Another seed may pass; a retry or the manifest's resubmissions start a new, paid task.",
            Paid.YES,
            ends_task=True,
            ends_in_choice=True,
        ),
        "TaskFailedError": Meaning(
            "the task ended without a picture",
            "Retry it: a new task is started, which is paid.",
            Paid.YES,
            ends_task=True,
        ),
        "TaskExpiredError": Meaning(
            "the service no longer knows the task",
            "Retry it: the service has dropped this task, a new one is paid.",
            Paid.YES,
            ends_task=True,
            forgotten=True,
        ),
        "TaskDeadlineError": Meaning(
            "the task had not ended at the deadline",
            "Retry it within 12 hours: the task goes on and is resumed without a second payment.",
            Paid.YES,
            ends_in_choice=True,
            keeps_slot=True,
        ),
        "TaskAbandonedError": Meaning(
            "the run ended before the task's result was stored",
            "Retry it within 12 hours: the task is resumed without a second payment.",
            Paid.YES,
        ),
        # The download.
        "ResultUnavailableError": Meaning("the picture could not be fetched", _FETCH_AGAIN, Paid.YES),
        "WrongLengthError": Meaning("the picture came in part, again and again", _FETCH_AGAIN, Paid.YES),
        "ResultGoneError": Meaning(
            "the picture's address leads to nothing any more",
            "Retry it within 12 hours: the service is asked for the picture again.",
            Paid.YES,
        ),
        "ResultRefusedError": Meaning(
            "the picture is where nothing may be fetched from, or is too large",
            "Look at the stack's ResultOrigins: the result is where nothing may be fetched from.",
            Paid.YES,
        ),
        "NotAnImageError": Meaning(
            "what came is no picture", "Retry it within 12 hours: the service is asked for the picture again.", Paid.YES
        ),
        "FetchError": Meaning("the picture could not be fetched", _FETCH_AGAIN, Paid.YES),
    }
)
"""By name, what a combination can end with."""

RUN: Mapping[str, Meaning] = MappingProxyType(
    {
        "ManifestError": Meaning(
            "the manifest cannot be run", "Mend the fields that it names and put it again: nothing was paid.", Paid.NO
        ),
        "PicturesMissingError": Meaning(
            "pictures are not there yet", "Nothing: they are looked for again until a minute is over.", Paid.NO
        ),
        "NothingLeftError": Meaning("a retry has nothing to do", "Nothing: everything has its picture.", Paid.NO),
        "RunNotPlannedError": Meaning(
            "the run ended before its plan was whole", "Put the manifest again: nothing was submitted.", Paid.NO
        ),
        "RunEndedError": Meaning("the run had its end already", "Nothing: its record stays as it is.", Paid.NO),
        "AllFailedError": Meaning(
            "no combination has a picture", "Look at the commonest reason in summary.json.", Paid.PERHAPS
        ),
        "ExecutionStoppedError": Meaning(
            "the execution was stopped, or its time was over",
            "Retry it: tasks that run are resumed without a second payment.",
            Paid.PERHAPS,
        ),
        "NotificationError": Meaning(
            "no notification could be published", "Look at the topic: the run's record is whole.", Paid.PERHAPS
        ),
        "UnreadableError": Meaning(
            "an item of the ledger, or a summary, is not what this version can read",
            "Mend the item and the field that it names, then retry.",
            Paid.PERHAPS,
        ),
        "ServiceAccessError": COMBINATION["ServiceAccessError"],
    }
)
"""By name, what a run can end with."""

ENDS_TASK = frozenset(name for name, one in COMBINATION.items() if one.ends_task)
"""After these a retry starts another task: the first one never gives a picture."""

PROVE_NO_TASK = frozenset(name for name, one in COMBINATION.items() if one.proves_no_task)
"""Errors that only an answer to the submit itself raises: its entry is in no doubt, although the write that takes
SUBMITTING back was lost."""

FORGOTTEN = frozenset(name for name, one in COMBINATION.items() if one.forgotten)
"""After these the service is asked once more before another task is paid, and no latency is learned."""

ENDS_IN_CHOICE = frozenset(name for name, one in COMBINATION.items() if one.ends_in_choice)
KEEPS_SLOT = frozenset(name for name, one in COMBINATION.items() if one.keeps_slot)
"""By these it is known which states a child entered on its way to its end: the cost is counted by them."""

ADVICE: Mapping[str, str] = MappingProxyType({name: one.advice for name, one in COMBINATION.items()})
"""What a reader can do about a failed combination, by its error's name."""
