"""The programs of a Spark standalone cluster, and their configuration."""

from __future__ import annotations

import contextlib
import http.client
import json
import pathlib
from collections.abc import Sequence

from pipeline.cluster.plan import Host, Program, Programs, Slots
from pipeline.core import http_answer

_MASTER = "org.apache.spark.deploy.master.Master"
_WORKER = "org.apache.spark.deploy.worker.Worker"
_JOB_SERVER = "org.apache.beam.runners.spark.SparkJobServerDriver"
_SECONDS = 5.0

# Spark's own list for Java 17 (`JavaModuleOptions`). It gives it to executors itself.
_OPENS = (
    "java.base/java.lang",
    "java.base/java.lang.invoke",
    "java.base/java.lang.reflect",
    "java.base/java.io",
    "java.base/java.net",
    "java.base/java.nio",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/jdk.internal.ref",
    "java.base/sun.nio.ch",
    "java.base/sun.nio.cs",
    "java.base/sun.security.action",
    "java.base/sun.util.calendar",
    "java.security.jgss/sun.security.krb5",
)


class SparkPrograms(Programs):
    """A Spark standalone cluster. A Beam job is an application with an executor on each host."""

    @property
    def master(self) -> str:
        return f"spark://{self.plan.manager}:{self.plan.ports.rpc}"

    def manager(self) -> Program:
        """Return Spark's master."""
        plan = self.plan
        ports = ("--port", str(plan.ports.rpc), "--webui-port", str(plan.ports.rest))
        command = (*self._java(self.jars), "-Xmx512m", _MASTER, "--host", plan.manager, *ports)
        return Program("master", command, f"{plan.manager}:{plan.ports.rest}", self._environment(plan.manager))

    def host(self, host: Host) -> Program:
        """Return the worker of Spark on a host, which starts executors."""
        name = f"sparkworker-{host.name}"
        work = self.plan.folder / "work" / name
        environment = self._environment(host.address)
        if names := self.names_option(host, self._home() / f"hosts-{host.name}"):
            environment["JAVA_TOOL_OPTIONS"] = names  # executors inherit it
        options = ("--cores", str(self.plan.slots), "--memory", "1g", "--work-dir", str(work), "--webui-port", "0")
        command = (*self._java(self.jars), "-Xmx256m", _WORKER, "--host", host.address, *options, self.master)
        return Program(name, (*host.enter, *command), environment=environment)

    def job_server(self) -> Program:
        """Return Beam's job server, in which each job's driver runs."""
        plan = self.plan
        properties = {
            "driver.host": plan.manager,
            "driver.bindAddress": plan.manager,
            "executor.memory": "768m",
            "ui.enabled": "false",
            "default.parallelism": str(plan.parallelism),
            # A job starts when all executors have registered, or after 30 s. Otherwise the first one gets all tasks.
            "cores.max": str(plan.parallelism),
            "scheduler.minRegisteredResourcesRatio": "1.0",
            # A task takes any free executor. By default it waits 3 s for the host of its input, so that one gets all.
            "locality.wait": "0s",
        }
        command = (
            *self._java([self.job_server_jar()]),
            *(f"-Dspark.{name}={value}" for name, value in properties.items()),
            "-Xmx768m",
            _JOB_SERVER,
            f"--spark-master-url={self.master}",
            *self.job_server_options,
        )
        return Program("jobserver", command, self.job_endpoint, self._environment(plan.manager))

    @staticmethod
    def slots(page: str) -> Slots | None:
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError, KeyError, TypeError, RecursionError):
            found = json.loads(http_answer.of(f"{page}/json/", seconds=_SECONDS))
            alive = [one for one in found["workers"] if one["state"] == "ALIVE"]
            return Slots(sum(int(one["cores"]) for one in alive), sum(int(one["coresfree"]) for one in alive))
        return None

    def _java(self, jars: Sequence[pathlib.Path]) -> tuple[str, ...]:
        opens = (f"--add-opens={one}=ALL-UNNAMED" for one in _OPENS)
        temporary = f"-Djava.io.tmpdir={self.plan.folder / 'work'}"
        return (self.java, *opens, temporary, "-cp", ":".join(map(str, jars)))

    def _environment(self, address: str) -> dict[str, str]:
        # Without the version of Scala, Spark looks for the folders of a build.
        local = str(self.plan.folder / "work")
        return {
            "SPARK_HOME": str(self._home()),
            "SPARK_LOCAL_IP": address,
            "SPARK_SCALA_VERSION": "2.12",
            "SPARK_LOCAL_DIRS": local,
        }

    def _home(self) -> pathlib.Path:
        """Return a folder with links to all jars: the class path of executors, with Beam's jars."""
        home = self.plan.folder / "configuration" / "spark"
        if not home.exists():
            (home / "jars").mkdir(parents=True)
            for number, jar in enumerate(self.jars):
                (home / "jars" / f"{number:03}-{jar.name}").symlink_to(jar.absolute())
        return home
