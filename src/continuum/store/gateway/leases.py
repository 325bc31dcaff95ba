"""What a gateway may remember of the locator's answers, and for how long. Pure: time is an argument.

An answer is remembered under the session's lease: while the lease holds, the locator tells this session of
every change before it acknowledges the change to its writer. Two races are settled here:

* A change is announced while a question about the same key is under way: the answer may be older than the
change, so it is given to who
  asked (they asked before the change was acknowledged) but not remembered, and nobody who comes later joins
  that question.
* The lease is counted from the moment at which its renewal was sent, so it ends here before it ends at the
locator.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

from continuum.model.objects import Bucket, User, Version

LEASE_SAFETY = 0.95
MAX_BUCKETS = 10_000
MAX_USERS = 10_000

Key = TypeVar("Key")
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """A bounded memory; what was not used for longest goes first."""

    __slots__ = ("_items", "_limit")

    def __init__(self, limit: int) -> None:
        self._items: OrderedDict[Key, Value] = OrderedDict()
        self._limit = limit

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: Key) -> Value | None:
        """Return what is known, and know that it was used."""
        value = self._items.get(key)
        if value is not None:
            self._items.move_to_end(key)
        return value

    def put(self, key: Key, value: Value) -> None:
        """Remember."""
        self._items[key] = value
        self._items.move_to_end(key)
        if len(self._items) > self._limit:
            self._items.popitem(last=False)

    def drop(self, key: Key) -> None:
        """Forget."""
        self._items.pop(key, None)

    def list_keys(self) -> list[Key]:
        """Return all keys, as they are now."""
        return list(self._items)

    def clear(self) -> None:
        """Forget all."""
        self._items.clear()


class Question:
    """A question to the locator that is under way. `is_stale`: something about it changed since it was
    asked."""

    __slots__ = ("bucket", "is_stale", "key")

    def __init__(self, bucket: str, key: str) -> None:
        self.bucket = bucket
        self.key = key
        self.is_stale = False


class Memory:
    """Versions, buckets and users under one lease."""

    def __init__(self, max_versions: int) -> None:
        self._versions: Recent[tuple[str, str], Version] = Recent(max_versions)
        self._buckets: Recent[str, Bucket] = Recent(MAX_BUCKETS)
        self._users: Recent[str, User] = Recent(MAX_USERS)
        self._questions: defaultdict[str, defaultdict[str, set[Question]]]
        self._questions = defaultdict(lambda: defaultdict(set))
        self._lease_until = 0.0

    # ---- the lease ----

    def holds(self, now: float) -> bool:
        """Whether what is remembered may be served."""
        return now < self._lease_until

    def renew(self, sent_at: float, lease_s: float) -> None:
        """The locator renewed the lease on a request that was sent at `sent_at`."""
        if sent_at >= self._lease_until:
            self.forget_all()
        self._lease_until = sent_at + lease_s * LEASE_SAFETY

    def end(self) -> None:
        """The session is over."""
        self._lease_until = 0.0
        self.forget_all()

    def forget_all(self) -> None:
        """Forget everything, also what is being asked."""
        self._versions.clear()
        self._buckets.clear()
        self._users.clear()
        for bucket in self._questions.values():
            _mark_all(bucket)

    # ---- remembering ----

    def find_version(self, bucket: str, key: str, now: float) -> Version | None:
        """Return the current version if it is known for certain."""
        return self._versions.get((bucket, key)) if now < self._lease_until else None

    def find_bucket(self, name: str, now: float) -> Bucket | None:
        """Return the bucket if it is known for certain."""
        return self._buckets.get(name) if now < self._lease_until else None

    def find_user(self, access_key: str, now: float) -> User | None:
        """Return the user if they are known for certain."""
        return self._users.get(access_key) if now < self._lease_until else None

    def ask(self, bucket: str, key: str) -> Question:
        """A question about a key (empty: the bucket; for users the bucket is empty, the key their access
        key) goes out."""
        question = Question(bucket, key)
        self._questions[bucket][key].add(question)
        return question

    def answer(self, question: Question, answer: Version | Bucket | User | None) -> None:
        """The question was answered (None: not found, or it failed); remember the answer unless it may be
        old."""
        self._drop(question)
        if question.is_stale or answer is None:
            return
        if isinstance(answer, Version):
            self._versions.put((question.bucket, question.key), answer)
        elif isinstance(answer, Bucket):
            self._buckets.put(question.bucket, answer)
        else:
            self._users.put(question.key, answer)

    def settle(self, question: Question, published: Version | None) -> None:
        """A change of ours is over (None: it failed): what was known before is old; what it published may
        be kept.

        The locator does not announce our own changes to us. So of several of ours under way at once none is
        kept: which came last is known to the locator only.
        """
        is_stale = question.is_stale
        self._drop(question)
        self.invalidate([(question.bucket, question.key)])
        if published is not None and not is_stale:
            self._versions.put((question.bucket, question.key), published)

    # ---- forgetting ----

    def invalidate(self, keys: Iterable[tuple[str, str]], users: Iterable[str] = ()) -> None:
        """These changed, or are about to. A pair with an empty key is a whole bucket."""
        for bucket, key in keys:
            if key:
                self._versions.drop((bucket, key))
            else:
                self._forget_bucket(bucket)
            self._mark(bucket, key)
        for access_key in users:
            self._users.drop(access_key)
            self._mark("", access_key)

    def _forget_bucket(self, name: str) -> None:
        self._buckets.drop(name)
        for place in self._versions.list_keys():
            if place[0] == name:
                self._versions.drop(place)

    def _mark(self, bucket: str, key: str) -> None:
        if bucket not in self._questions:
            return
        asked = self._questions[bucket]
        if not key:
            _mark_all(asked)
        for question in asked.get(key, ()):
            question.is_stale = True

    def _drop(self, question: Question) -> None:
        """The question is not under way any more."""
        asked = self._questions[question.bucket]
        asked[question.key].discard(question)
        if not asked[question.key]:
            del asked[question.key]
        if not asked:
            del self._questions[question.bucket]


def _mark_all(asked: Mapping[str, set[Question]]) -> None:
    for questions in asked.values():
        for question in questions:
            question.is_stale = True
