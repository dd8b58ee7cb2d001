"""What agents share: transitions over n steps, the replay buffer, episodes, and what goes wrong."""

import numpy as np
import pytest

from tests import agents
from trainer_modules.common import online, playing
from trainer_modules.common.environments import Environments, observation_spec
from trainer_modules.common.replay import Replay, Returns, Transition


def transitions(ends: str, steps: int = 3) -> list[tuple]:
    """Of five steps with rewards 1, 2, 4, 8, 16 of one environment, of which the last has this end."""
    place, found = Returns(steps, 0.5, 1), []
    for step in range(5):
        last = step == 4
        arguments = ([step], [10 + step], [2.0**step], [step + 1], [last and ends == "terminated"], [last and ends == "truncated"])
        found += place.add(*map(np.array, arguments))
    return [(int(t.observation), int(t.action), t.reward, int(t.next_observation), t.discount) for t in found]


def test_returns_over_three_steps_by_hand():
    whole = [(0, 10, 1 + 0.5 * 2 + 0.25 * 4, 3, 0.125), (1, 11, 2 + 0.5 * 4 + 0.25 * 8, 4, 0.125)]
    assert transitions("goes on") == [*whole, (2, 12, 4 + 0.5 * 8 + 0.25 * 16, 5, 0.125)]
    # Nothing follows the end of an episode …
    assert transitions("terminated") == [*whole, (2, 12, 12.0, 5, 0.0), (3, 13, 8 + 0.5 * 16, 5, 0.0), (4, 14, 16.0, 5, 0.0)]
    # … but something would have where it was cut off, after as many steps as were left.
    assert transitions("truncated") == [*whole, (2, 12, 12.0, 5, 0.125), (3, 13, 16.0, 5, 0.25), (4, 14, 16.0, 5, 0.5)]


def test_environments_do_not_mix():
    place = Returns(2, 1.0, 2)
    assert list(place.add(*map(np.array, ([1, 7], [0, 0], [1.0, 5.0], [2, 8], [False, True], [False, False])))) == [
        Transition(7, 0, 5.0, 8, 0.0)
    ]
    second = list(place.add(*map(np.array, ([2, 70], [0, 0], [1.0, 50.0], [3, 80], [False, False], [False, False]))))
    assert [(t.observation, t.reward, t.next_observation) for t in second] == [(1, 2.0, 3)]


def test_the_oldest_transitions_are_forgotten():
    def one(number: int) -> Transition:
        return Transition(np.full(2, number, np.uint8), np.int64(number), float(number), np.full(2, number + 1, np.uint8), 0.9)

    replay = Replay(4, one(0))
    for number in range(6):
        replay.add(one(number))
    assert len(replay) == 4 and sorted(replay.arrays()["action"]) == [2, 3, 4, 5]
    drawn = replay.sample(400, np.random.default_rng(0))
    assert drawn["observation"].dtype == np.uint8 and drawn["reward"].dtype == np.float32
    np.testing.assert_array_equal(drawn["observation"][:, 0], drawn["action"])
    np.testing.assert_array_equal(drawn["next_observation"][:, 1], drawn["action"] + 1)
    assert set(drawn["action"]) == {2, 3, 4, 5} and np.bincount(drawn["action"]).max() < 150
    other = Replay(4, one(0))
    other.restore(replay.arrays(), replay.added)
    other.add(one(9))
    assert sorted(other.arrays()["action"]) == [3, 4, 5, 9]


def test_recorded_episodes_are_remembered_with_their_ends():
    steps = {
        "observation": np.array([[0, 1], [1, 1], [5, 1], [6, 1]], np.float32),
        "next_observation": np.array([[1, 1], [2, 1], [6, 1], [7, 1]], np.float32),
        "action": np.array([1, 0, 1, 1]),
        "reward": np.array([1, 2, 4, 8], np.float32),
        "terminated": np.array([False, True, False, False]),
        "episode": np.array([3, 3, 4, 4]),
    }
    hparams = {"observation": "2 float32", "n_step": 2, "discount": 0.5, "reward_clip": 4.0, "reward_scale": 0.1, "replay": 9}
    environments = Environments("darsena/Corridor-v0", "2 float32", 1)
    found = online.remembered(agents.rows(steps), environments, hparams).arrays()
    np.testing.assert_allclose(found["reward"], [0.1 + 0.5 * 0.2, 0.2, 0.4 + 0.5 * 0.4, 0.4], rtol=1e-6)
    np.testing.assert_allclose(found["discount"], [0, 0, 0.25, 0.5])
    np.testing.assert_array_equal(found["next_observation"][:, 0], [2, 2, 7, 7])


def onwards(environments, random):
    return np.ones(environments.count, np.int64)


def test_the_last_observation_of_an_episode_is_not_the_first_of_the_next():
    environments = Environments("darsena/Corridor-v0", "2 float32", 2)
    environments.reset(0)
    steps = [environments.step(np.array([1, 0])) for _ in range(20)]
    assert [step.reached[0, 0] for step in steps[:6]] == [1, 2, 3, 4, 5, 1]
    assert steps[4].terminated.tolist() == [True, False] and steps[4].returns[0] == 1 and np.isnan(steps[4].returns[1])
    assert steps[19].truncated.tolist() == [False, True] and steps[19].terminated.tolist() == [True, False]
    np.testing.assert_array_equal(environments.observations[:, 0], [0, 0])


def test_recorded_steps_are_those_that_were_taken():
    steps = playing.record("darsena/Corridor-v0", "2 float32", onwards, 2, seed=0)
    np.testing.assert_array_equal(steps["observation"][:, 0], [0, 1, 2, 3, 4] * 2)
    np.testing.assert_array_equal(steps["next_observation"][:, 0], [1, 2, 3, 4, 5] * 2)
    np.testing.assert_array_equal(steps["terminated"], [False] * 4 + [True] + [False] * 4 + [True])
    np.testing.assert_array_equal(steps["episode"], [0] * 5 + [1] * 5)


def test_each_environment_plays_as_many_episodes(monkeypatch):
    monkeypatch.setattr(playing, "MOST_AT_ONCE", 2)

    def unequal(environments, random):
        return np.array([1, 0])[: environments.count]  # the second is cut off with a return of 0 while the first reaches the end

    returns = playing.play("darsena/Corridor-v0", "2 float32", unequal, 6, seed=0)
    assert sorted(returns) == [0, 0, 0, 1, 1, 1]


def test_a_share_of_actions_is_left_to_chance():
    environments = Environments("darsena/Corridor-v0", "2 float32", 50)
    random = np.random.default_rng(0)
    chosen = np.concatenate([playing.sometimes_at_random(onwards, 0.4)(environments, random) for _ in range(40)])
    assert (chosen == 0).mean() == pytest.approx(0.2, abs=0.03) and chosen.dtype == np.int64


def test_the_same_seed_is_the_same_game():
    for environment, observation in (("ALE/Breakout-v5", "128 uint8"), ("ALE/Breakout-v5", "84x84x4 uint8")):
        environments = Environments(environment, observation, 2)
        seen = []
        for seed in (3, 3, 4):
            environments.reset(seed)
            random = np.random.default_rng(0)
            for _ in range(40):
                environments.step(environments.random(random))
            seen.append(environments.observations)
        environments.close()
        np.testing.assert_array_equal(seen[0], seen[1])
        assert np.any(seen[0] != seen[2])
        assert seen[0].shape[1:] == observation_spec(observation)[0]


@pytest.mark.parametrize(
    ("environment", "observation", "said"),
    [
        ("CartPole-v1", "3 float32", "expected the observation of CartPole-v1 to be '4 float32', received '3 float32'"),
        ("CartPole-v1", "four", "expected observation to be a shape and a type"),
        ("CartPoll-v1", "4 float32", "expected the name of an environment of Gymnasium, received 'CartPoll-v1'"),
    ],
)
def test_environments_that_cannot_be_had(environment, observation, said):
    with pytest.raises(ValueError, match=said):
        Environments(environment, observation, 1)


def test_an_environment_that_fails_says_which_and_when():
    environments = Environments("darsena/Blocked-v0", "2 float32", 1)
    environments.reset(0)
    with pytest.raises(RuntimeError, match=r"darsena/Blocked-v0 to take step 7 \(actions \[1\]\), received OSError: the track is blocked"):
        for _ in range(9):
            environments.step(np.ones(1, np.int64))


def test_pictures_show_the_state():
    environments = Environments("Pendulum-v1", "3 float32", 1)
    environments.observations[0] = [1, 0, 0]  # upright
    up = environments.picture()
    environments.observations[0] = [-1, 0, 0]
    down = environments.picture()
    half = len(up) // 2
    assert (up[:half] < 200).any(axis=2).sum() > 5 * (up[half:] < 200).any(axis=2).sum() > 0
    assert np.abs(down[::-1][:half].astype(float) - up[:half]).mean() < 2 < np.abs(down.astype(float) - up).mean()
