"""Reinforcement learning as pure functions over gymnax environments: many side by side, training as one scan."""

from jaxml.rl._bandits import BanditRuns as BanditRuns
from jaxml.rl._bandits import epsilon_greedy as epsilon_greedy
from jaxml.rl._bandits import thompson_sampling as thompson_sampling
from jaxml.rl._bandits import ucb1 as ucb1
from jaxml.rl._dqn import DQNConfig as DQNConfig
from jaxml.rl._dqn import dqn as dqn
from jaxml.rl._episodes import evaluate as evaluate
from jaxml.rl._losses import double_q_values as double_q_values
from jaxml.rl._losses import ppo_loss as ppo_loss
from jaxml.rl._losses import q_learning_loss as q_learning_loss
from jaxml.rl._ppo import A2CConfig as A2CConfig
from jaxml.rl._ppo import PPOConfig as PPOConfig
from jaxml.rl._ppo import a2c as a2c
from jaxml.rl._ppo import ppo as ppo
from jaxml.rl._reinforce import ReinforceConfig as ReinforceConfig
from jaxml.rl._reinforce import reinforce as reinforce
from jaxml.rl._result import Result as Result
from jaxml.rl._returns import discounted_returns as discounted_returns
from jaxml.rl._returns import generalized_advantages as generalized_advantages
from jaxml.rl._returns import td_error as td_error
from jaxml.rl._tabular import QLearningConfig as QLearningConfig
from jaxml.rl._tabular import QTable as QTable
from jaxml.rl._tabular import q_learning as q_learning
from jaxml.rl._tabular import value_iteration as value_iteration

__all__ = [
    "A2CConfig",
    "BanditRuns",
    "DQNConfig",
    "PPOConfig",
    "QLearningConfig",
    "QTable",
    "ReinforceConfig",
    "Result",
    "a2c",
    "discounted_returns",
    "double_q_values",
    "dqn",
    "epsilon_greedy",
    "evaluate",
    "generalized_advantages",
    "ppo",
    "ppo_loss",
    "q_learning",
    "q_learning_loss",
    "reinforce",
    "td_error",
    "thompson_sampling",
    "ucb1",
    "value_iteration",
]
