"""The programs of a Flink cluster, and their configuration."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

from pipeline.cluster.plan import LOOPBACK, Host, Program, Programs, Slots
from pipeline.core.errors import SaeError
from pipeline.orchestration.portable.flink import FlinkMaster

_JOB_MANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
_TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
_JOB_SERVER = "org.apache.beam.runners.flink.FlinkJobServerDriver"

# `env.java.opts.all` of Flink's own configuration, for Java 17. Debian's Java without a compiler lacks some modules.
_EXPORTS = ("java.base/sun.net.util", "java.rmi/sun.rmi.registry", "java.security.jgss/sun.security.krb5")
_OPENS = (
    "java.base/java.lang",
    "java.base/java.net",
    "java.base/java.io",
    "java.base/java.nio",
    "java.base/sun.nio.ch",
    "java.base/java.lang.reflect",
    "java.base/java.text",
    "java.base/java.time",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/java.util.concurrent.locks",
)
# Pekko waits 10 s for its own start, too short on a busy machine. Flink's `pekko.startup-timeout` does not reach it.
_START = "-Dpekko.remote.classic.startup-timeout=120s"
_LOG_LINE = "%1$tF %1$tT %4$s %3$s %5$s%6$s%n"

# Without Flink's scripts, a task manager needs all of its memory said. TFDV's graph has 171 steps, each with buffers.
_MEMORY = {
    "task.heap.size": "512m",
    "task.off-heap.size": "64m",
    "framework.heap.size": "128m",
    "framework.off-heap.size": "128m",
    "network.min": "512m",
    "network.max": "512m",
    "managed.size": "512m",
    "jvm-metaspace.size": "256m",
    "jvm-overhead.min": "192m",
    "jvm-overhead.max": "192m",
}
_HEAP, _DIRECT, _METASPACE = "640m", "704m", "256m"  # sums of these, as Java's options
_COMMON = {
    # Tasks go to all hosts, not to the first one that has slots.
    "taskmanager.load-balance.mode": "SLOTS",
    # A dead host is noticed after 30 s, and Flink tries for longer than that. On a busy machine 10 s were too short.
    "heartbeat.timeout": "30000",
    "heartbeat.interval": "3000",
    # It counts failures at once as one. With fixed-delay, each of the many parts of a job that a dead host ends counts.
    "restart-strategy.type": "exponential-delay",
    "restart-strategy.exponential-delay.initial-backoff": "5 s",
    "restart-strategy.exponential-delay.max-backoff": "20 s",
    "restart-strategy.exponential-delay.attempts-before-reset-backoff": "10",
    "pekko.ask.timeout": "60 s",  # a busy machine answers late
    "taskmanager.network.sort-shuffle.min-buffers": "16",
    # Beam's jars are on the class path of each program.
    "classloader.resolve-order": "parent-first",
}


class FlinkPrograms(Programs):
    """A Flink session cluster."""

    @property
    def master(self) -> str:
        return f"{self.plan.manager}:{self.plan.ports.rest}"

    def manager(self) -> Program:
        """Return the job manager, which also serves the REST API and Flink's pages."""
        folder = self._configure("jobmanager", {"jobmanager.memory.process.size": "1024m"})
        command = (*self._java("jobmanager", self.jars), "-Xmx512m", _JOB_MANAGER, "--configDir", str(folder))
        return Program("jobmanager", command, self.master)

    def host(self, host: Host) -> Program:
        """Return the task manager of a host."""
        name = f"taskmanager-{host.name}"
        own = {
            "taskmanager.host": host.address,
            "taskmanager.bind-host": host.address,
            "taskmanager.resource-id": host.name,
            "taskmanager.numberOfTaskSlots": str(self.plan.slots),
            "taskmanager.cpu.cores": "1.0",
            **{f"taskmanager.memory.{key}": value for key, value in _MEMORY.items()},
        }
        folder = self._configure(name, own)
        options = [f"-Xmx{_HEAP}", f"-XX:MaxDirectMemorySize={_DIRECT}", f"-XX:MaxMetaspaceSize={_METASPACE}"]
        if names := self.names_option(host, folder / "hosts"):
            options.append(names)
        command = (*self._java(name, self.jars), *options, _TASK_MANAGER, "--configDir", str(folder))
        return Program(name, (*host.enter, *command))

    def job_server(self) -> Program:
        """Return Beam's job server."""
        java = self._java("jobserver", [self.job_server_jar()])
        command = (*java, "-Xmx512m", _JOB_SERVER, f"--flink-master={self.master}", *self.job_server_options)
        return Program("jobserver", command, self.job_endpoint)

    @staticmethod
    def slots(page: str) -> Slots | None:
        try:
            found = FlinkMaster(page).overview()
        except SaeError:
            return None
        return Slots(found.slots, found.free_slots)

    def _java(self, name: str, jars: Sequence[pathlib.Path]) -> tuple[str, ...]:
        return (
            self.java,
            *(f"--add-exports={one}=ALL-UNNAMED" for one in _EXPORTS),
            *(f"--add-opens={one}=ALL-UNNAMED" for one in _OPENS),
            _START,
            f"-Djava.util.logging.SimpleFormatter.format={_LOG_LINE}",
            f"-Dlog.file={self.plan.folder / 'logs' / name}.log",  # for Flink's pages
            f"-Djava.io.tmpdir={self.plan.folder / 'work'}",
            "-cp",
            ":".join(map(str, jars)),
        )

    def _configure(self, name: str, own: dict[str, str]) -> pathlib.Path:
        """Write the configuration of a program, and return its folder."""
        plan = self.plan
        folder = plan.folder / "configuration" / name
        folder.mkdir(parents=True, exist_ok=True)
        settings = {
            "jobmanager.rpc.address": plan.manager,
            "jobmanager.rpc.port": str(plan.ports.rpc),
            # It stores files at itself by the name localhost.
            "jobmanager.bind-host": LOOPBACK if plan.manager == LOOPBACK else "0.0.0.0",
            "rest.address": plan.manager,
            "rest.bind-address": plan.manager,
            "rest.port": str(plan.ports.rest),
            "io.tmp.dirs": str(plan.folder / "work"),
            **_COMMON,
            **own,
        }
        (folder / "config.yaml").write_text("".join(f"{key}: {value}\n" for key, value in settings.items()))
        return folder
