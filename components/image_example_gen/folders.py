"""What the folders that pictures lie in tell about them: their split and their class."""

from collections.abc import Iterable

from components.splits import TEST, TRAIN

# As data sets of two unpaired domains are published: trainA, trainB, testA, testB.
DOMAINS = {f"{split}{domain}": (split, domain) for split in (TRAIN, TEST) for domain in "AB"}


def placed(folders: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], tuple[str, str] | None]:
    """Split and class by folder.

    Args:
        folders: of all pictures, each as its path's parts below the raw data.

    Returns:
        For each of them, where all are `trainA`, `trainB` and perhaps `testA`, `testB`: the split and A or B; where all are `<class>`:
        TRAIN and the class; where all are `train/<class>` or `test/<class>`: both; None for a folder that is nothing of this.
    """
    found = sorted(set(folders))
    names = {folder[0] for folder in found if len(folder) == 1}
    if {f"{TRAIN}A", f"{TRAIN}B"} <= names <= set(DOMAINS) and len(names) == len(found):
        return {folder: DOMAINS[folder[0]] for folder in found}
    depths = {len(folder) for folder in found}
    return {folder: one(folder) if len(depths) == 1 else None for folder in found}


def one(folder: tuple[str, ...]) -> tuple[str, str] | None:
    """Split and class of a folder by itself."""
    if len(folder) == 1:
        return TRAIN, folder[0]
    return (folder[0], folder[1]) if len(folder) == 2 and folder[0] in (TRAIN, TEST) else None
