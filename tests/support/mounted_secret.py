"""A Secret as a pod sees it."""

from pathlib import Path


def mount(folder: Path, generation: str, **keys: str) -> None:
    """Write a Secret as the kubelet does: a new folder, then one rename of the link."""
    data = folder / f"..{generation}"
    data.mkdir(parents=True)
    for name, content in keys.items():
        (data / name).write_text(content)
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(Path("..data") / name)
    temporary = folder / "..data_tmp"
    temporary.symlink_to(data.name)
    temporary.rename(folder / "..data")
    for link in folder.iterdir():
        if not link.name.startswith("..") and not link.exists():
            link.unlink()
