"""The nodes of a kind cluster, which are containers: what happens to machines and to processes on them."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def on_node(node: str, *command: str, timeout: float = 60) -> str:
    """Run a command on a node and return what it printed."""
    done = subprocess.run(
        ["docker", "exec", node, *command], capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, f"{node}: {' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}"
    return done.stdout.strip()


def of_cluster(cluster: str) -> list[str]:
    """Return the names of a cluster's nodes."""
    listed = subprocess.run(["kind", "get", "nodes", "--name", cluster], capture_output=True, text=True, check=True)
    return sorted(listed.stdout.split())


def address(node: str) -> str:
    """Return the node's address in Docker's network, which Linux hosts reach."""
    template = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    done = subprocess.run(["docker", "inspect", "-f", template, node], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def sigkill(pod: dict[str, Any], name: str | None = None) -> None:
    """Kill the process of one of a pod's containers, of the first by default, as the kernel does when memory runs out."""
    node = pod["spec"]["nodeName"]
    status = next(entry for entry in pod["status"]["containerStatuses"] if name in (None, entry["name"]))
    container = status["containerID"].rpartition("/")[2]
    tasks = on_node(node, "ctr", "--namespace", "k8s.io", "tasks", "list").splitlines()
    (pid,) = (line.split()[1] for line in tasks if line.startswith(container))
    on_node(node, "kill", "-KILL", pid)


@contextmanager
def cut_off(pod: dict[str, Any]) -> Iterator[None]:
    """Drop every packet from and to a pod, established connections included; the kubelet still reaches it."""
    node, ip = pod["spec"]["nodeName"], pod["status"]["podIP"]
    rules = [("FORWARD", *direction, "-j", "DROP") for direction in (("-d", ip), ("-s", ip))]
    for rule in rules:
        on_node(node, "iptables", "--wait", "-I", *rule)
    try:
        yield
    finally:
        for rule in rules:
            on_node(node, "iptables", "--wait", "-D", *rule)


@contextmanager
def frozen(node: str) -> Iterator[None]:
    """Freeze a node: nothing on it runs, and all of it goes on afterwards as if no time had passed."""
    subprocess.run(["docker", "pause", node], capture_output=True, timeout=60, check=True)
    try:
        yield
    finally:
        subprocess.run(["docker", "unpause", node], capture_output=True, timeout=60, check=True)


def shrink_volume(node: str, path: str, mib: int) -> None:
    """Put what is in a folder onto a disk of its own with so much room, mounted in its place; nobody may use it now."""
    image = f"/var/chaos-{path.rpartition('/')[2]}.img"
    steps = (
        f"truncate --size {mib}M {image} && mkfs.ext4 -q -F -m 0 {image}",
        f"mkdir -p /mnt/chaos && mount -o loop {image} /mnt/chaos && cp -a {path}/. /mnt/chaos",
        f"umount /mnt/chaos && mount -o loop {image} {path}",
    )
    on_node(node, "sh", "-c", f"mountpoint -q {path} || {{ {' && '.join(steps)}; }}", timeout=180)


@contextmanager
def full(node: str, path: str) -> Iterator[None]:
    """Fill the disk that is mounted there to its last block."""
    room = f"$(( $(df --output=avail -B1 {path} | tail -1) * 99 / 100 ))"
    rest = f"dd if=/dev/zero of={path}/filler-rest bs=64k 2>&1 | grep -q 'No space left'"
    try:
        on_node(node, "sh", "-c", f"fallocate --length {room} {path}/filler && {rest}", timeout=180)
        yield
    finally:
        on_node(node, "rm", "-f", f"{path}/filler", f"{path}/filler-rest")


def power_cycle(node: str) -> None:
    """Take a node's power away and give it back."""
    subprocess.run(["docker", "restart", "--time", "0", node], capture_output=True, timeout=120, check=True)
