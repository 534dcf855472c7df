"""Fair shares: pure arithmetic."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rookery.cluster.shares import fair_shares, surplus
from rookery.model.instance import Census, Instance


def census(*instances: Instance, wanted: int, free: int = 0) -> Census:
    return Census(instances=instances, wanted=wanted, free=free)


def one(name: str, sessions: int = 0, capacity: int | None = None, draining: bool = False) -> Instance:
    return Instance(name=name, sessions=sessions, capacity=capacity, draining=draining)


def test_everybody_gets_the_same_rounded_up() -> None:
    assert fair_shares([one("a"), one("b"), one("c")], 10) == {"a": 4, "b": 4, "c": 4}
    assert fair_shares([one("a")], 7) == {"a": 7}
    assert fair_shares([], 7) == {}


def test_an_instance_with_little_room_leaves_more_to_the_others() -> None:
    assert fair_shares([one("a", capacity=2), one("b"), one("c", capacity=100)], 20) == {"a": 2, "b": 9, "c": 9}
    assert fair_shares([one("a", capacity=2), one("b", capacity=3)], 20) == {"a": 2, "b": 3}


def test_a_newcomer_gets_its_share() -> None:
    assert surplus(census(one("a", 100), one("b"), wanted=100), "a", 100) == 50
    assert surplus(census(one("a", 34), one("b", 33), one("c", 33), wanted=100), "a", 34) == 0
    assert surplus(census(one("a", 2), one("b"), wanted=2), "a", 2) == 1


def test_nothing_moves_for_a_small_difference() -> None:
    assert surplus(census(one("a", 52), one("b", 48), wanted=100), "a", 52) == 0
    assert surplus(census(one("a", 53), one("b", 47), wanted=100), "a", 53) == 3


def test_nothing_is_handed_over_without_another_instance() -> None:
    assert surplus(census(one("a", 100), wanted=100), "a", 100) == 0
    assert surplus(census(one("a", 100), one("b", capacity=0), wanted=100), "a", 100) == 0
    assert surplus(census(one("a", 100), one("b", draining=True), wanted=100), "a", 100) == 0
    assert surplus(census(one("a", 100), one("b"), wanted=150, free=50), "a", 100) == 25  # the free ones need room too


TAKERS = st.lists(st.tuples(st.integers(0, 300), st.one_of(st.none(), st.integers(0, 200))), min_size=1, max_size=6)


@given(TAKERS, st.integers(0, 1000))
def test_shares_hold_all_that_fits_and_none_exceeds_its_capacity(
    takers: list[tuple[int, int | None]], wanted: int
) -> None:
    instances = [one(str(n), capacity=capacity) for n, (_, capacity) in enumerate(takers)]
    shares = fair_shares(instances, wanted)
    assert shares.keys() == {instance.name for instance in instances}
    room = sum(wanted if one.capacity is None else one.capacity for one in instances)
    assert sum(shares.values()) >= min(wanted, room)
    assert all(one.capacity is None or shares[one.name] <= one.capacity for one in instances)


@given(TAKERS, st.integers(0, 1000))
def test_levelling_ends(takers: list[tuple[int, int | None]], wanted: int) -> None:
    """An instance that hands over goes down to its share, and one that takes stays within its own: no session moves again."""
    counts = {str(n): count if limit is None else min(count, limit) for n, (count, limit) in enumerate(takers)}
    wanted = max(wanted, sum(counts.values()))

    def now() -> Census:
        found = [one(str(n), counts[str(n)], limit) for n, (_, limit) in enumerate(takers)]
        return census(*found, wanted=wanted, free=wanted - sum(counts.values()))

    for _ in range(3):
        moved = 0
        for name in list(counts):
            given = surplus(now(), name, counts[name])
            counts[name] -= given
            moved += given
        shares = fair_shares(now().takers, wanted)
        for name, share in shares.items():
            taken = max(0, min(share - counts[name], wanted - sum(counts.values())))
            counts[name] += taken
    assert moved == 0
