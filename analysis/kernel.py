"""The kernel that notebooks of a report run in: this interpreter, with nothing of its user's set-up.

A kernel named "python3" may be any program that a user's Jupyter folders name, and IPython runs its user's start-up
files: neither may decide what a report says.
"""

import os
import sys
from pathlib import Path
from typing import Final

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from traitlets.config import Config

PACKAGE_PARENT: Final = str(Path(__file__).resolve().parent.parent)


class OwnKernel(AsyncKernelManager):
    """A kernel manager that looks nothing up: its kernel spec is its own. Made by `settings`."""

    @property
    def kernel_spec(self) -> KernelSpec:
        """This interpreter's ipykernel; -P: a module that lies in the working folder is not imported."""
        return KernelSpec(
            argv=[sys.executable, "-P", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            env=environment(Path(self.connection_file).parent),
            display_name="Python 3",
            language="python",
        )


def environment(folder: Path) -> dict[str, str]:
    """What a kernel finds set differently from its parent."""
    python_path = [PACKAGE_PARENT, os.environ.get("PYTHONPATH", "")]
    return {
        "IPYTHONDIR": str(folder / "ipython"),
        "LC_ALL": "C.UTF-8",
        "MATPLOTLIBRC": str(folder / "matplotlibrc"),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # else each kernel prints a warning about frozen modules
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join(part for part in python_path if part),
        "PYTHONSTARTUP": "",
        "TZ": "UTC",
    }


def settings(folder: Path) -> dict[str, object]:
    """nbclient's options for a kernel that lives in a fresh `folder` of its own."""
    (folder / "work").mkdir()
    (folder / "matplotlibrc").touch()  # empty: matplotlib's own defaults, whatever its user prefers
    # Sockets in the folder, which no other user can enter. Ports can be had by another kernel in between.
    transport = "tcp" if os.name == "nt" else "ipc"
    connection = {"transport": transport, "connection_file": str(folder / "kernel.json")}
    return {
        "kernel_name": "python3",
        "kernel_manager_class": OwnKernel,
        "config": Config({"OwnKernel": connection}),
        "resources": {"metadata": {"path": str(folder / "work")}},
        "shutdown_kernel": "immediate",
    }
