"""El intérprete que ejecuta los capítulos: el mismo Python que corre la imprenta."""

import asyncio
import json
import os
import sys
import tempfile
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

KERNEL_NAME = "imprenta"
SHUTDOWN_SECONDS = 20


@contextmanager
def private_kernel_spec() -> Iterator[Path]:
    """Carpeta temporal con la especificación de un núcleo que usa ``sys.executable``.

    Así no dependemos de los núcleos que la persona tenga instalados ni de su carpeta personal.
    """
    with tempfile.TemporaryDirectory(prefix="imprenta-", ignore_cleanup_errors=True) as folder:
        spec = Path(folder) / "kernels" / KERNEL_NAME
        spec.mkdir(parents=True)
        launch = "-m ipykernel_launcher -f {connection_file} --log-level=ERROR"
        kernel = {
            "argv": [sys.executable, *launch.split()],
            "display_name": "Python",
            "language": "python",
        }
        (spec / "kernel.json").write_text(json.dumps(kernel), encoding="utf-8")
        yield Path(folder)


def book_environment(root: Path) -> dict[str, str]:
    """Variables para ejecutar los capítulos: el código del libro se puede importar."""
    environment = dict(os.environ)
    paths = [str(root / "src")] if (root / "src").is_dir() else []
    paths += filter(None, [environment.get("PYTHONPATH")])
    environment.update(PYTHONPATH=os.pathsep.join(paths), PYTHONHASHSEED="0", NO_COLOR="1")
    environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    return environment


def kernel_environment(root: Path, scratch: Path) -> dict[str, str]:
    """Las variables del núcleo: además, sin color y con carpetas propias."""
    environment = book_environment(root) | {
        "TERM": "dumb",
        "COLUMNS": "100",
        "IPYTHONDIR": str(scratch / "ipython"),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }
    environment.pop("FORCE_COLOR", None)
    return environment


def kernel_manager(scratch: Path) -> Any:
    """Gestor del núcleo privado; por zócalos locales donde el sistema los tiene.

    Los zócalos locales evitan abrir puertos TCP (y el aviso que ipykernel 7 imprime por ello).
    """
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpecManager

    specs = KernelSpecManager(ensure_native_kernel=False)
    specs.kernel_dirs = [str(scratch / "kernels")]
    manager = AsyncKernelManager(kernel_name=KERNEL_NAME, kernel_spec_manager=specs)
    connection = str(scratch / "nucleo.json")
    manager.connection_file = connection
    if os.name == "posix" and len(connection) < 90:
        manager.transport = "ipc"
        manager.ip = connection.removesuffix(".json") + "-ipc"
    return manager


def run_in_thread(work: Coroutine[Any, Any, Any]) -> Any:
    """Ejecuta ``work`` en un bucle de eventos de otro hilo y espera su resultado.

    En el hilo principal nbclient se apropia de Ctrl-C y deja tareas a medias. Así la interrupción
    llega aquí: cancelamos, esperamos a que los núcleos terminen y la dejamos pasar.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="imprenta", daemon=True)
    thread.start()
    finished = threading.Event()

    async def watched() -> Any:
        try:
            return await work
        finally:
            finished.set()

    future = asyncio.run_coroutine_threadsafe(watched(), loop)
    try:
        return future.result()
    except KeyboardInterrupt:
        future.cancel()
        finished.wait(SHUTDOWN_SECONDS)
        raise
    finally:
        asyncio.run_coroutine_threadsafe(_drain(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _drain() -> None:
    """Cancela y recoge las tareas que quedaron en el bucle, para que no se quejen al cerrarlo."""
    pending = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
