"""Recorded episodes of an environment to tf.Examples of transitions, in splits that share no episode."""
