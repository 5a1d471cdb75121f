"""What deploy/docker/Dockerfile promises, as far as it can be tried without a container engine.

Its runtime packages must hold every library of the binary, and relayd must work as that user, with that environment, in a file
system of which only the volume can be written. SPDX-License-Identifier: Apache-2.0
"""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

from relay_process import BINARY, ROOT

DOCKERFILE = (ROOT / "deploy" / "docker" / "Dockerfile").read_text()
RUNTIME = DOCKERFILE[DOCKERFILE.index("FROM debian:"):]
# Part of every Debian, or linked into the released binary (--static-swift-stdlib).
GIVEN = ("libc6", "libgcc-s1")


def instruction(name):
    return re.search(rf"^{name} (.*)$", RUNTIME, re.M).group(1)


def owner(library):
    """The Debian package of a library."""
    for path in (library, os.path.realpath(library), "/usr" + library):
        found = subprocess.run(["dpkg-query", "-S", path], capture_output=True, text=True)
        if found.returncode == 0:
            return found.stdout.split(":")[0]
    raise AssertionError(f"no package has {library}")


@pytest.mark.skipif(shutil.which("dpkg-query") is None, reason="not a Debian")
def test_runtime_packages_hold_every_library():
    installed = re.search(r"install -y --no-install-recommends ([^\\]+)", RUNTIME).group(1).split()
    linked = subprocess.run(["ldd", BINARY], check=True, capture_output=True, text=True).stdout
    # What the binary names itself; what these need in turn is their packages' business.
    named = re.findall(r"NEEDED\)\s+Shared library: \[(.+)\]", subprocess.run(["readelf", "-d", BINARY], check=True, capture_output=True, text=True).stdout)
    found = dict(re.findall(r"(\S+) => (/\S+)", linked))
    libraries = [found[name] for name in named if name in found and "/swift/" not in found[name]]
    assert libraries
    missing = {owner(one) for one in libraries} - set(installed) - set(GIVEN)
    assert not missing


@pytest.mark.skipif(os.getuid() != 0, reason="only root may change the user and mount")
def test_it_runs_as_the_image_runs_it():
    """The image's user, environment, command and health check; everything but the volume is read-only."""
    user = instruction("USER").split(":")[0]
    environment = dict(re.findall(r"([A-Z_]+)=(\S+)", RUNTIME[RUNTIME.index("ENV "):RUNTIME.index("VOLUME")]))
    port = "18" + str(os.getpid() % 900 + 100)
    environment["RELAYD_LISTEN"] = environment["RELAYD_LISTEN"].replace("0.0.0.0:8787", f"127.0.0.1:{port}")
    root = pathlib.Path(tempfile.mkdtemp(prefix="linkrelay-image-"))
    # The binary is mounted where the image has it; the volume is the only place that can be written.
    script = f"""
        mount --make-rprivate / && mount -t tmpfs -o mode=0755 tmpfs {root} && mkdir {root}/bin {root}/volume
        cp {BINARY} {root}/bin/relayd && chown {user}:{user} {root}/volume && chmod 700 {root}/volume
        mount --bind {root}/volume {root}/volume && mount -o remount,bind,ro {root}
        exec setpriv --reuid={user} --regid={user} --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all \\
            sh -c '{root}/bin/relayd serve & until {root}/bin/relayd health >/dev/null 2>&1; do kill -0 $! || exit 9; done
                   {root}/bin/relayd health && {root}/bin/relayd sign-in && id -u && ls -ln {root}/volume && kill $! && wait $!'
    """
    environment = {"PATH": os.environ["PATH"], **environment, "STATE_DIRECTORY": f"{root}/volume"}
    environment.update({name: value for name, value in os.environ.items() if name == "LD_LIBRARY_PATH"})
    try:
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-ec", script], env=environment, capture_output=True, text=True, timeout=60)
    finally:
        root.rmdir()
    if "unshare" in done.stderr and "not permitted" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, (done.stdout, done.stderr)
    lines = done.stdout.splitlines()
    assert "ready" in lines and user in lines and any("#ticket=" in line for line in lines)
    assert re.search(rf"-rw------- +1 {user} +{user} .* linkrelay.key", done.stdout)
