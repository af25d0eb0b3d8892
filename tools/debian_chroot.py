"""Run a command in a checkout of this project with the current TFX version.

    tools/debian_chroot.py [--share FOLDER] COMMAND ...

If the C library of this machine is new enough, the command just runs. If not, it runs in a Debian 13 root, which
debootstrap makes in a cache folder; it is kept, and made again when its recipe changes. The recipe is tools/debian.sh,
which the Dockerfile runs too. In the root, the checkout is a copy in /opt/sae with its own .venv. The folder `shared`
beside the checkout, which tests and benchmarks use, is mounted read-only, and so are the programs that
`sae cluster install` fetched; FOLDER is mounted writable at the same path.

SAE_DEBIAN_ROOT moves the cache folder; SAE_DEBIAN_MIRROR selects a mirror. Exit code 6: something is missing, named in
one line. Otherwise the exit code of the command.
"""

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Sequence

import bootstrap  # beside this file

from pipeline.core import tfx_versions

HOME = Path("/root")
SUITE = "trixie"  # Debian 13: glibc 2.41, Python 3.13
CHECKOUT = Path("/opt/sae")  # as in the Dockerfile
RECIPE = bootstrap.ROOT / "tools" / "debian.sh"
CERTIFICATES = Path("/etc/ssl/host.crt")
CLUSTER_PARTS = ".cache/sae/cluster"  # in a home folder, as in pipeline/cluster/parts.py
TOOLS = ("debootstrap", "chroot", "mount", "unshare")

# Variables that the command inherits.
PASSED = ["ARGS", "CI", "COLUMNS", "NO_COLOR", "PIP_DEFAULT_TIMEOUT", "PYTEST_ADDOPTS", "TERM", "UV_HTTP_TIMEOUT"]
PROXIES = ["http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"]

# Runs as process 1 of its own namespaces, so its mounts and processes end with it. It stays the parent of the command,
# because process 1 has to reap orphans. The root is a mount of its own, which `ip netns` needs.
ENTER = """
root=$1; shift
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --rbind /sys "$root/sys"
while [ "$1" != -- ]; do
    mkdir -p "$root$2"
    mount --bind "$1" "$root$2"
    mount -o "remount,bind,$3" "$root$2"
    shift 3
done
shift
chroot "$root" sh -c 'cd "$0" && exec "$@"' "$@"
"""


class Debian:
    """A Debian 13 root in a folder with `root/`, `about.json` if it is complete, and `lock`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.about = folder / "about.json"

    def prepare(self) -> None:
        """Make the root, unless this recipe made it already; update the copy of the checkout."""
        self._claim()
        recipe = {"suite": SUITE, "recipe": hashlib.sha256(RECIPE.read_bytes()).hexdigest()}
        if self._made_by() != recipe:
            bootstrap.say("making a Debian 13 root in %s" % self.folder)
            if self.about.exists():
                self.about.unlink()
            bootstrap.remove(self.root)
            mirror = os.environ.get("SAE_DEBIAN_MIRROR")
            debootstrap = ["debootstrap", "--variant=minbase", SUITE, str(self.root), *([mirror] if mirror else [])]
            with open(str(self.folder / "debootstrap.log"), "wb") as log:
                if subprocess.call(debootstrap, stdout=log, stderr=log) != 0:
                    raise bootstrap.Missing("debootstrap failed, see %s; try again" % log.name)
            self._copy_checkout()
            for step in ("build", "run", "test"):
                if subprocess.call(self.command(["sh", "tools/debian.sh", step], []), env=environment({})) != 0:
                    raise bootstrap.Missing("tools/debian.sh %s failed, see above; try again" % step)
            self.about.write_text(json.dumps(recipe, indent=1) + "\n", "utf-8")
        self._copy_checkout()

    def _claim(self) -> None:
        """Lock the folder."""
        if self.folder == bootstrap.ROOT or bootstrap.ROOT in self.folder.parents:
            raise bootstrap.Missing("SAE_DEBIAN_ROOT is %s, inside the checkout: choose one outside it" % self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = self.folder / "lock"
        if not lock.exists() and any(self.folder.iterdir()):
            raise bootstrap.Missing("SAE_DEBIAN_ROOT is %s, which is in use: choose an empty folder" % self.folder)
        self.lock = open(str(lock), "a")  # noqa: SIM115 - open as long as this object and the command
        os.set_inheritable(self.lock.fileno(), True)
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            bootstrap.say("waiting for another command to leave %s" % self.folder)
            fcntl.flock(self.lock, fcntl.LOCK_EX)

    def _made_by(self) -> "object":
        try:
            return json.loads(self.about.read_text("utf-8"))
        except (OSError, ValueError):
            return None

    def _copy_checkout(self) -> None:
        """Copy the files that git tracks or does not ignore; remove those that were copied before and are gone."""
        target = self.root / CHECKOUT.relative_to("/")
        target.mkdir(parents=True, exist_ok=True)
        known = self.folder / "files.json"
        before = json.loads(known.read_text("utf-8")) if known.exists() else []
        list_files = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.check_output(list_files, cwd=str(bootstrap.ROOT)).decode("utf-8").split("\0")
        files = sorted({name for name in names if name and (bootstrap.ROOT / name).is_file()})
        known.write_text(json.dumps(sorted({*before, *files})), "utf-8")
        for name in sorted(set(before) - set(files)):
            if (target / name).exists():
                (target / name).unlink()
        for name in files:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(str(bootstrap.ROOT / name), str(target / name))
        known.write_text(json.dumps(files), "utf-8")

    def command(self, words: "Sequence[str]", shares: "Sequence[tuple[Path, Path, str]]") -> "list[str]":
        """Return the command line that runs `words` in the root; `shares`: source, target, and "ro" or "rw"."""
        for name in ("hosts", "resolv.conf"):
            if Path("/etc", name).exists():
                shutil.copyfile("/etc/" + name, str(self.root / "etc" / name))
        namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]
        mounts = [str(word) for share in shares for word in share]
        return [*namespaces, "sh", "-euc", ENTER, "sh", str(self.root), *mounts, "--", str(CHECKOUT), *words]


def environment(index: "dict[str, str]") -> "dict[str, str]":
    """Return the environment in the root: a few variables of the caller, and the package index."""
    env = {name: os.environ[name] for name in PASSED + PROXIES if name in os.environ}
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX"):
        if name in index:
            env[name] = index[name]
    if "UV_DEFAULT_INDEX" in index:
        env["PIP_INDEX_URL"] = index["UV_DEFAULT_INDEX"]
    if "SSL_CERT_FILE" in index:
        env.update(SSL_CERT_FILE=str(CERTIFICATES), PIP_CERT=str(CERTIFICATES))
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return dict(env, PATH=path, HOME=str(HOME), LANG="C.UTF-8")


def mounted(share: "Path | None") -> "list[tuple[Path, Path, str]]":
    """Return the folders that the root shares with this machine: source, target, and "ro" or "rw"."""
    parts = Path(os.path.expanduser(os.environ.get("SAE_CLUSTER_PARTS") or os.path.join("~", CLUSTER_PARTS)))
    read = [(bootstrap.ROOT.parent / "shared", CHECKOUT.parent / "shared"), (parts, HOME / CLUSTER_PARTS)]
    found = [(source.resolve(), target, "ro") for source, target in read if source.is_dir()]
    return [(share.resolve(), share.resolve(), "rw"), *found] if share else found


def enter(words: "Sequence[str]", share: "Path | None") -> None:
    """Replace this process by the command in the root."""
    missing = [name for name in TOOLS if not shutil.which(name)]
    if os.geteuid() != 0:
        missing.append("the rights of root")
    if missing:
        need = "TFX %s needs glibc %d.%d or a Debian 13 root, and for that: %s"
        raise bootstrap.Missing(need % (tfx_versions.CURRENT.name, *tfx_versions.CURRENT.glibc, ", ".join(missing)))
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(os.environ.get("SAE_DEBIAN_ROOT") or os.path.join(cache, "sae", "debian-13")).resolve()
    debian = Debian(folder)
    debian.prepare()
    index = bootstrap.uv_environment()
    if "SSL_CERT_FILE" in index:
        shutil.copyfile(index["SSL_CERT_FILE"], str(debian.root / CERTIFICATES.relative_to("/")))
    command = debian.command(words, mounted(share))
    os.execvpe(command[0], command, environment(index))


def main(arguments: "Sequence[str]") -> int:
    parser = argparse.ArgumentParser(prog="tools/debian_chroot.py", usage="%(prog)s [--share FOLDER] COMMAND ...")
    parser.add_argument("--share", type=Path)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args(arguments)
    if not options.command:
        parser.error("no command")
    try:
        tfx = tfx_versions.for_machine(sys.platform, os.uname().machine, tfx_versions.glibc_version())
        if tfx == tfx_versions.CURRENT:
            os.chdir(str(bootstrap.ROOT))
            os.execvp(options.command[0], options.command)
        enter(options.command, options.share)
    except (bootstrap.Missing, OSError, subprocess.SubprocessError) as error:
        sys.stderr.write("error: %s\n" % error)
        return bootstrap.EXIT_MISSING
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
