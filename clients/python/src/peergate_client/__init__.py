"""Follows topics of a Peergate gateway and resumes, publishes each message once, serves requests."""

from . import operations
from .back_off import BackOff
from .client import Client, Published
from .cursors import CursorStore, FileCursors, MemoryCursors
from .data import Data, Json, Payload
from .errors import CLIENT_ERRORS, ClientErrorCode, PeergateError
from .frames import Candidate, Delivery, Message
from .items import CaughtUp, Gap, Item, MessageItem
from .operation import Operation
from .options import ClientOptions, SubscriptionOptions
from .states import Closed, Connecting, ConnectionState, Idle, Open, Waiting
from .subscription import Subscription
from .tasks import Outcome, Retry, Task, TaskHandler
from .work import Judge, Registration, ServiceHandler, ServiceRequest, Verdict

__all__ = [
    "CLIENT_ERRORS",
    "BackOff",
    "Candidate",
    "CaughtUp",
    "Client",
    "ClientErrorCode",
    "ClientOptions",
    "Closed",
    "Connecting",
    "ConnectionState",
    "CursorStore",
    "Data",
    "Delivery",
    "FileCursors",
    "Gap",
    "Idle",
    "Item",
    "Json",
    "Judge",
    "MemoryCursors",
    "Message",
    "MessageItem",
    "Open",
    "Operation",
    "Outcome",
    "Payload",
    "PeergateError",
    "Published",
    "Registration",
    "Retry",
    "ServiceHandler",
    "ServiceRequest",
    "Subscription",
    "SubscriptionOptions",
    "Task",
    "TaskHandler",
    "Verdict",
    "Waiting",
    "operations",
]
