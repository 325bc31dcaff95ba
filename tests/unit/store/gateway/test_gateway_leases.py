"""What a gateway may serve from memory: only under its lease, and never what was before a change."""

from continuum.model.objects import Bucket, Role, User, Version
from continuum.store.gateway.leases import LEASE_SAFETY, Memory, Recent

NOW = 1000.0


def version(etag: str = "1", key: str = "k") -> Version:
    return Version(bucket="b", key=key, version_id=etag, etag=etag, size_bytes=1, modified_at=0.0)


def memory(**changes: int) -> Memory:
    made = Memory(changes.get("max_versions", 100))
    made.renew(NOW, 2.0)
    return made


def learn(of: Memory, answer: Version) -> None:
    of.answer(of.ask(answer.bucket, answer.key), answer)


def test_an_answer_is_served_until_the_lease_ends_counted_from_when_its_renewal_was_sent() -> None:
    known = memory()
    learn(known, version())
    assert known.find_version("b", "k", NOW + 2.0 * LEASE_SAFETY - 0.01) == version()
    assert known.find_version("b", "k", NOW + 2.0 * LEASE_SAFETY) is None
    known.renew(NOW + 1.0, 2.0)
    assert known.find_version("b", "k", NOW + 2.5) == version()


def test_a_renewal_that_was_sent_after_the_lease_had_ended_begins_with_nothing() -> None:
    known = memory()
    learn(known, version())
    known.renew(NOW + 5.0, 2.0)
    assert known.find_version("b", "k", NOW + 5.0) is None


def test_a_change_that_is_announced_is_forgotten() -> None:
    known = memory()
    learn(known, version())
    learn(known, version(key="other"))
    known.invalidate([("b", "k")])
    assert known.find_version("b", "k", NOW) is None
    assert known.find_version("b", "other", NOW) is not None


def test_an_answer_to_a_question_asked_before_a_change_is_not_remembered() -> None:
    known = memory()
    question = known.ask("b", "k")
    known.invalidate([("b", "k")])
    assert question.is_stale
    known.answer(question, version("old"))
    assert known.find_version("b", "k", NOW) is None
    learn(known, version("new"))
    assert known.find_version("b", "k", NOW) == version("new")


def test_a_change_of_another_key_does_not_concern_a_question() -> None:
    known = memory()
    question = known.ask("b", "k")
    known.invalidate([("b", "other"), ("c", "k")], users=["k"])
    known.answer(question, version())
    assert known.find_version("b", "k", NOW) == version()


def test_a_change_of_a_bucket_concerns_all_its_keys_and_questions() -> None:
    known = memory()
    learn(known, version(key="known"))
    known.answer(known.ask("b", ""), Bucket(name="b", owner="o", home="edge", created_at=0.0))
    question = known.ask("b", "asked")
    known.invalidate([("b", "")])
    known.answer(question, version(key="asked"))
    assert known.find_bucket("b", NOW) is None
    assert known.find_version("b", "known", NOW) is None
    assert known.find_version("b", "asked", NOW) is None


def test_a_user_is_forgotten_by_access_key() -> None:
    known = memory()
    user = User(name="n", access_key="AK", secret_key="s", role=Role.MEMBER)
    known.answer(known.ask("", "AK"), user)
    assert known.find_user("AK", NOW) == user
    known.invalidate([], users=["AK"])
    assert known.find_user("AK", NOW) is None


def test_what_was_published_here_is_remembered() -> None:
    known = memory()
    learn(known, version("old"))
    question = known.ask("b", "k")
    known.settle(question, version("new"))
    assert known.find_version("b", "k", NOW) == version("new")


def test_of_two_changes_of_a_key_under_way_at_once_none_is_remembered() -> None:
    known = memory()
    for first, second in (("a", "b"), ("b", "a")):
        known.invalidate([("b", "k")])
        asked = {"a": known.ask("b", "k")}
        known.invalidate([("b", "k")])
        asked["b"] = known.ask("b", "k")
        known.settle(asked[first], version(first))
        known.settle(asked[second], version(second))
        if first == "a":
            assert known.find_version("b", "k", NOW) is None
        else:
            assert known.find_version("b", "k", NOW) is None


def test_a_question_asked_before_a_change_of_ours_ends_is_not_remembered() -> None:
    known = memory()
    change = known.ask("b", "k")
    question = known.ask("b", "k")
    known.settle(change, version("new"))
    known.answer(question, version("old"))
    assert known.find_version("b", "k", NOW) == version("new")


def test_the_end_of_a_session_forgets_everything_also_what_is_being_asked() -> None:
    known = memory()
    learn(known, version())
    question = known.ask("b", "asked")
    known.end()
    known.renew(NOW + 1, 2.0)
    known.answer(question, version(key="asked"))
    assert known.find_version("b", "k", NOW + 1) is None
    assert known.find_version("b", "asked", NOW + 1) is None


def test_a_full_memory_forgets_what_was_not_used_for_longest() -> None:
    recent: Recent[str, int] = Recent(2)
    recent.put("a", 1)
    recent.put("b", 2)
    assert recent.get("a") == 1
    recent.put("c", 3)
    assert (recent.get("a"), recent.get("b"), recent.get("c"), len(recent)) == (1, None, 3, 2)
