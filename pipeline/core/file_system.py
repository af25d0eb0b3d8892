"""The file system that a path is on."""

from __future__ import annotations

import pathlib

# Several hosts may have one of these mounted. Each FUSE program has a type of its own: `fuse.sshfs`.
_SHARED = {"9p", "afs", "beegfs", "ceph", "cifs", "gfs2", "glusterfs", "gpfs", "lustre", "nfs", "nfs4", "ocfs2"}
_SHARED |= {"smb3", "smbfs", "virtiofs"}


def type_of(path: pathlib.Path) -> str:
    """Return the type of the file system of a path as the kernel names it: `ext4`; `unknown` if that is not known."""
    import psutil  # 15 ms

    path = path.resolve()
    try:
        mounts = [(pathlib.Path(one.mountpoint), one.fstype) for one in psutil.disk_partitions(all=True)]
    except (OSError, RuntimeError):  # without /proc
        mounts = []
    above = [
        (len(place.parts), number, kind) for number, (place, kind) in enumerate(mounts) if path.is_relative_to(place)
    ]
    return max(above)[2] if above else "unknown"  # of several mounts on one folder the last is visible


def is_shared(kind: str) -> bool:
    """Return whether other hosts may have a file system of this type mounted."""
    return kind in _SHARED or kind.startswith("fuse.")
