"""`darsena collect`: episodes of an environment become the next span, played at random or by what is served."""

import numpy as np
import pytest
import tensorflow as tf

from components.episode_example_gen.executor import EpisodeSource, read_episodes
from tests.signed import sign

MODEL = "pendulum_ddpg"


def steps(file: str) -> dict:
    return dict(read_episodes(EpisodeSource(file)).arrays)


@pytest.fixture
def served(tmp_path):
    """A served version that does the same whatever it sees: a torque of half the angle's cosine."""
    module = tf.Module()
    module.act = tf.function(
        lambda observation: {"action": observation[:, :1] / 2}, input_signature=[tf.TensorSpec([None, 3], tf.float32, name="observation")]
    )
    folder = tmp_path / "root" / "serving" / MODEL / "3"
    tf.saved_model.save(module, str(folder), signatures={"act": module.act})
    (folder / "assets.extra").mkdir(exist_ok=True)
    (folder / "assets.extra" / "darsena.json").write_text('{"version": 3, "pushed": "2026-11-23T20:15:40+00:00"}')
    sign(folder)
    return tmp_path / "root"


def test_each_collection_is_the_next_span(darsena, tmp_path):
    root = tmp_path / "root"
    first, second = (darsena("collect", MODEL, "--episodes", 2, "--root", root, "--json") for _ in range(2))
    assert (first.code, second.code) == (0, 0), first.err
    assert (first.json["steps"], first.json["episodes"], first.json["policy"]) == (400, 2, "random")
    files = [ended.json["file"] for ended in (first, second)]
    assert [file.split("/")[-2] for file in files] == ["span-1", "span-2"] and "pendulum-collected" in files[0]
    assert not np.array_equal(steps(files[0])["reward"], steps(files[1])["reward"])
    assert f"darsena run {MODEL} --data {first.json['folder']}" in darsena("collect", MODEL, "--episodes", 1, "--root", root).out


def test_what_is_served_can_play(darsena, served):
    ended = darsena("collect", MODEL, "--episodes", 1, "--policy", "served", "--root", served, "--json")
    assert ended.code == 0, ended.err
    found = steps(ended.json["file"])
    np.testing.assert_allclose(found["action"], found["observation"][:, :1] / 2, rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mnist_mlp"], "expected a model that learns from episodes of an environment, received mnist_mlp"),
        ([MODEL, "--policy", "served"], "expected a served version of pendulum_ddpg"),
        ([MODEL, "--preset", "x"], "pendulum_ddpg has no preset 'x'"),
    ],
)
def test_what_cannot_be_collected(darsena, tmp_path, arguments, said):
    ended = darsena("collect", *arguments, "--root", tmp_path / "root")
    assert ended.code == 2 and said in ended.err


def test_an_agent_of_another_environment_cannot_play(darsena, served):
    (served / "serving" / MODEL).rename(served / "serving" / "breakout_dqn")
    sign(served / "serving/breakout_dqn/3")
    ended = darsena("collect", "breakout_dqn", "--preset", "cartpole", "--policy", "served", "--root", served)
    assert ended.code == 2 and "expected an agent that sees '4 float32'" in ended.err and "received one that sees '3 float32'" in ended.err
