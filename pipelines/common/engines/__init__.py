"""The engines that a pipeline's data work can run on: Beam's options for each, what each needs, and a Flink cluster on this machine."""
