"""The files of this repository, for the checks of this folder."""

import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def source_files(*endings):
    """Paths from the root, sorted, of what belongs to the source: no build folder, no data of a running system."""
    found = []
    for folder, folders, files in os.walk(ROOT):
        top = folder == ROOT
        folders[:] = [
            name for name in folders
            if name not in (".git", "node_modules", "__pycache__") and not (top and (name.startswith("build") or name == "data"))
        ]
        for name in files:
            path = os.path.relpath(os.path.join(folder, name), ROOT)
            # Of a second working tree of git, .git is a file.
            if name != ".git" and (not endings or name.endswith(endings)):
                found.append(path)
    return sorted(found)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as file:
        return file.read()


def is_test(path):
    """Whether a file is there for tests only."""
    return bool(re.search(r"_test\.|_test_|_testing\.|/testing/|/test_|_fixture|^tests/", path))
