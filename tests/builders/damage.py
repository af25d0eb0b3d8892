"""Seeded damage to a store: rows deleted, values of other types, bytes flipped."""

from __future__ import annotations

import contextlib
import pathlib
import random
import sqlite3

NUMBERS = [-1, 99, 2**31, 2**63 - 1, -(2**63), str(2**70), 1.5, float("inf"), "9" * 5000]
VALUES = ["abc", "", None, b"\xff\xfe\x00", *NUMBERS]


def damage(path: pathlib.Path, seed: int) -> str:
    """Damage a store once, and say how."""
    chance = random.Random(seed)
    kind = chance.choice(["delete", "delete", "value", "value", "value", "value", "bytes", "all deleted", "all values"])
    if kind == "bytes":
        return _flip(path, chance)
    with contextlib.closing(sqlite3.connect(path)) as database:
        tables = [name for [name] in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        while True:
            table = chance.choice(tables)
            rows = [number for [number] in database.execute(f"SELECT rowid FROM {table}")]
            if not rows:
                continue
            column = chance.choice([row[1] for row in database.execute(f"PRAGMA table_info({table})")])
            value = chance.choice(VALUES)
            where = "1" if kind.startswith("all") else f"rowid = {chance.choice(rows)}"
            with contextlib.suppress(sqlite3.Error):  # a constraint
                if "delete" in kind:
                    changed = database.execute(f"DELETE FROM {table} WHERE {where}").rowcount
                    done = f"DELETE FROM {table} WHERE {where}"
                else:
                    changed = database.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", [value]).rowcount
                    done = f"UPDATE {table} SET {column} = {value!r:.40} WHERE {where}"
                if changed:
                    database.commit()
                    return done


def _flip(path: pathlib.Path, chance: random.Random) -> str:
    content = bytearray(path.read_bytes())
    places = [chance.randrange(len(content)) for _ in range(chance.choice([1, 8, 200]))]
    for place in places:
        content[place] ^= 1 << chance.randrange(8)
    path.write_bytes(content)
    return f"{len(places)} bits flipped"
