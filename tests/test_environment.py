"""The build's environment: what another checkout has is not emptied."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildtools.environment import refuse_shared
from buildtools.step import BuildError


@pytest.mark.parametrize("relative", [False, True])
def test_linked_packages_are_not_installed_over(tmp_path: Path, relative: bool) -> None:
    theirs, mine = tmp_path / "theirs", tmp_path / "node_modules"
    theirs.mkdir()
    refuse_shared(theirs)
    refuse_shared(mine)  # absent: made by npm
    mine.symlink_to("theirs" if relative else theirs, target_is_directory=True)
    with pytest.raises(BuildError, match=r"theirs.*Remove the link"):
        refuse_shared(mine)
    theirs.rmdir()  # a link that leads nowhere is a link, too
    with pytest.raises(BuildError, match="Remove the link"):
        refuse_shared(mine)
