"""Run_fns whose worker 1 is killed once, after an epoch of its training."""

import os
import signal
from pathlib import Path

import psutil

from tests.trainer_modules import given
from trainer_modules.common import cluster, parameter_server, progress


def run_fn(fn_args) -> None:
    """Runs the run_fn that custom_config names as `inner`; worker 1 kills itself when it has trained one epoch, unless it has before."""
    config = fn_args.custom_config
    killed = Path(config["killed"])
    end_epoch = progress.Progress.end_epoch

    def dying(self, metrics):
        end_epoch(self, metrics)
        here = cluster.from_environment()
        if here and here.index == 1 and self.done == 1 and not killed.exists():
            killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    progress.Progress.end_epoch = dying
    given.function(config["inner"])(fn_args)


def run_coordinator(fn_args) -> None:
    """Runs the run_fn that custom_config names as `inner`, as the coordinator of a parameter server: worker 1 is killed after an epoch."""
    config = fn_args.custom_config
    port = cluster.parts(parameter_server.described()["worker"][1])[1]
    end_epoch = progress.Progress.end_epoch

    def killing(self, metrics):
        end_epoch(self, metrics)
        if self.done == 1:
            for process in psutil.Process().parent().children():
                if any(each.laddr.port == port and each.status == psutil.CONN_LISTEN for each in process.net_connections()):
                    process.kill()
                    Path(config["killed"]).touch()

    progress.Progress.end_epoch = killing
    given.function(config["inner"])(fn_args)
