"""El intérprete que ejecuta los capítulos: el mismo Python que corre la imprenta."""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

KERNEL_NAME = "imprenta"


@contextmanager
def private_kernel_spec() -> Iterator[Path]:
    """Carpeta temporal con la especificación de un núcleo que usa ``sys.executable``.

    Así no dependemos de los núcleos que la persona tenga instalados ni de su carpeta personal.
    """
    with tempfile.TemporaryDirectory(prefix="imprenta-", ignore_cleanup_errors=True) as folder:
        spec = Path(folder) / "kernels" / KERNEL_NAME
        spec.mkdir(parents=True)
        argv = [
            sys.executable,
            "-m",
            "ipykernel_launcher",
            "-f",
            "{connection_file}",
            "--log-level=ERROR",
        ]
        (spec / "kernel.json").write_text(
            json.dumps({"argv": argv, "display_name": "Python", "language": "python"}),
            encoding="utf-8",
        )
        yield Path(folder)


def kernel_environment(root: Path, scratch: Path) -> dict[str, str]:
    """Variables del núcleo: código del libro importable, sin color y sin ruido de TensorFlow."""
    environment = dict(os.environ)
    paths = [str(root / "src")] if (root / "src").is_dir() else []
    if environment.get("PYTHONPATH"):
        paths.append(environment["PYTHONPATH"])
    environment.update(
        PYTHONPATH=os.pathsep.join(paths),
        PYTHONHASHSEED="0",
        NO_COLOR="1",
        TERM="dumb",
        COLUMNS="100",
        IPYTHONDIR=str(scratch / "ipython"),
        MPLBACKEND="module://matplotlib_inline.backend_inline",
    )
    environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    environment.pop("FORCE_COLOR", None)
    return environment


def kernel_manager(scratch: Path):
    """Gestor del núcleo privado; por zócalos locales donde el sistema los tiene.

    Los zócalos locales evitan abrir puertos TCP (y el aviso que ipykernel 7 imprime por ello).
    """
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpecManager

    specs = KernelSpecManager(ensure_native_kernel=False)
    specs.kernel_dirs = [str(scratch / "kernels")]
    manager = AsyncKernelManager(kernel_name=KERNEL_NAME, kernel_spec_manager=specs)
    handle, connection = tempfile.mkstemp(prefix="nucleo-", suffix=".json", dir=scratch)
    os.close(handle)
    os.unlink(connection)
    manager.connection_file = connection
    if os.name == "posix" and len(connection) < 90:
        manager.transport = "ipc"
        manager.ip = connection.removesuffix(".json") + "-ipc"
    return manager
