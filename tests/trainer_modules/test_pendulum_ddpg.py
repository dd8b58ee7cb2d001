"""The agent with an actor and a critic: what each learns from the other, the bounds of actions, and what survives an interruption."""

import gymnasium
import keras
import numpy as np
import pytest
import tensorflow as tf

from pipelines.pendulum_ddpg import MODEL
from tests import agents
from tests.contract import check_saved, prepare
from trainer_modules import pendulum_ddpg as module
from trainer_modules.common import checkpoints, online, signatures
from trainer_modules.common.environments import Environments

TINY = {**MODEL.hparams, **agents.TINY}


def test_contract(tmp_path):
    case = agents.case(module, MODEL, tmp_path)
    prepared = prepare(case, tmp_path)
    keras.utils.set_random_seed(1)
    actor = module.build_model(case.hparams)
    assert {name: (value.shape, value.dtype) for name, value in signatures.answers(actor, prepared.rows.features).items()} == {
        "action": ((len(case.examples), 1), tf.float32)
    }
    check_saved(actor, prepared, case.examples, tmp_path, formats=MODEL.export_formats)


def test_actions_keep_to_the_bounds_of_the_environment():
    space = gymnasium.make(MODEL.hparams["environment"]).action_space
    assert (space.shape, float(space.low[0]), float(space.high[0])) == (
        (MODEL.hparams["action_size"],),
        -MODEL.hparams["action_bound"],
        MODEL.hparams["action_bound"],
    )
    keras.utils.set_random_seed(1)
    actor = module.build_model({**TINY, "action_bound": 0.5})
    actor.set_weights([10 * np.random.default_rng(1).normal(size=weights.shape) for weights in actor.get_weights()])
    actions = actor({"observation": np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)})["action"].numpy()
    assert actions.min() == -0.5 and actions.max() == 0.5


def test_noise_is_a_share_of_half_the_range_and_keeps_to_it():
    environments = Environments("Pendulum-v1", "3 float32", 50)
    random = np.random.default_rng(0)

    def constant(value):
        return lambda environments, random: np.full((environments.count, 1), value, np.float32)

    chosen = np.concatenate([module.noisy(constant(0.5), 0.1)(environments, random) for _ in range(40)])
    assert chosen.mean() == pytest.approx(0.5, abs=0.02) and chosen.std() == pytest.approx(0.2, abs=0.02) and chosen.dtype == np.float32
    assert module.noisy(constant(2.0), 0.5)(environments, random).max() == 2.0


def test_the_critic_is_taught_what_comes_and_what_is_thought_to_follow():
    batch = {"reward": tf.constant([1.0, -2.0, 3.0]), "discount": tf.constant([0.5, 0.9, 0.0])}
    np.testing.assert_allclose(module.targets(batch, tf.constant([10.0, 20.0, 30.0])), [6.0, 16.0, 3.0])


def batch(size: int = 16) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    shapes = {"observation": (size, 3), "action": (size, 1), "reward": (size,), "next_observation": (size, 3)}
    return {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()} | {
        "discount": np.full(size, 0.9, np.float32)
    }


def test_the_first_loss_is_the_critics_error_by_hand_and_the_actor_moves_to_what_it_likes(monkeypatch):
    made = {}

    def critic(hparams):
        made.setdefault("critics", []).append(build(hparams))
        return made["critics"][-1]

    build = module.build_critic
    monkeypatch.setattr(module, "build_critic", critic)
    keras.utils.set_random_seed(1)
    agent = module.make_agent(module.build_model, {**TINY, "critic_learning_rate": 1e-9, "actor_learning_rate": 1e-2}, "single")
    (judge, target), given = made["critics"], {name: tf.constant(values) for name, values in batch().items()}
    seen, following = {"observation": given["observation"]}, {"observation": given["next_observation"]}
    wanted = given["reward"].numpy() + 0.9 * target({**following, **agent.model(following)}).numpy()
    error = judge({**seen, "action": given["action"]}).numpy() - wanted
    before = judge({**seen, **agent.model(seen)}).numpy().mean()
    assert float(agent.update(batch())) == pytest.approx((error**2).mean(), rel=1e-4)
    for _ in range(20):
        agent.update(batch())
    assert judge({**seen, **agent.model(seen)}).numpy().mean() > before + 1e-3


def test_two_replicas_learn_what_one_device_learns():
    agents.check_replicas(module, TINY, batch())


def test_an_interrupted_training_goes_on_as_if_it_had_not_been(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "SECONDS", 0)
    expected, history = agents.learn(module, TINY, episodes=1)
    run_round, calls = online.run_round, []

    def interrupted(*arguments):
        calls.append(1)
        found = run_round(*arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return found

    monkeypatch.setattr(online, "run_round", interrupted)
    with pytest.raises(KeyboardInterrupt):
        agents.learn(module, TINY, tmp_path / "kept", 1)
    monkeypatch.setattr(online, "run_round", run_round)
    model, resumed = agents.learn(module, TINY, tmp_path / "kept", 1)
    for one, two in zip(expected.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert resumed["metrics"] == history["metrics"] and resumed["updates"] == 30


@pytest.mark.slow
def test_it_swings_the_pendulum_up():
    _, history = agents.learn(module, {**MODEL.hparams, "steps": 8_000}, episodes=1)
    assert history["best_mean_return"] > -300
